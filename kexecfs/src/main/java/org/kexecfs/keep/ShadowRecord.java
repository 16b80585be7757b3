package org.kexecfs.keep;

import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.ProcessId;
import org.kexecfs.posix.Shadow;
import org.kexecfs.posix.SharedInts;

/**
 * The file {@code keeper.shadow}: who is keeper, and which processes are shadows. A keeper that takes the place of one that was killed has
 * its own shadow while that of the other is still needed: so there is room for two, the sides, one of which counts.
 */
final class ShadowRecord {
    private static final int KEEPER = 0;
    private static final int STARTED = 1;
    private static final int SIDE = 2;
    private static final int SIDES = 3;
    private static final int OF_A_SIDE = 2;

    private final SharedInts numbers;

    /** The record in that file, which may be empty; it may be closed then. */
    ShadowRecord(Fd file) {
        numbers = SharedInts.map(file, SIDES + 2 * OF_A_SIDE);
    }

    /** Nobody is keeper, and there are no shadows. */
    void clear() {
        numbers.set(KEEPER, 0);
        remove(0);
        remove(1);
        numbers.set(SIDE, 0);
    }

    boolean isKeeperRunning() {
        return new ProcessId(numbers.get(KEEPER), numbers.get(STARTED)).isRunning();
    }

    /** The pids of all that are in it. */
    Set<Integer> processes() {
        return IntStream.of(KEEPER, pid(0), pid(1))
                .map(numbers::get)
                .filter(pid -> pid > 0)
                .boxed()
                .collect(Collectors.toSet());
    }

    void keeper(ProcessId keeper) {
        numbers.set(KEEPER, 0);
        numbers.set(STARTED, keeper.started());
        numbers.set(KEEPER, keeper.pid());
    }

    /** The side that counts: 0 or 1. */
    int side() {
        return numbers.get(SIDE) == 1 ? 1 : 0;
    }

    /** From now on that side counts. */
    void side(int side) {
        numbers.set(SIDE, side);
    }

    /** Starts a shadow, which is noted the moment that it is there. */
    Shadow start(int side, Index index) {
        numbers.set(index(side), index.number());
        return Shadow.start(numbers, pid(side));
    }

    /** The pid of a side's shadow, if there was ever one. */
    Optional<Integer> shadow(int side) {
        return Optional.of(numbers.get(pid(side))).filter(pid -> pid > 0);
    }

    /** Which of that shadow's descriptors is the index. */
    int indexNumber(int side) {
        return numbers.get(index(side));
    }

    /** There is no such shadow any more. */
    void remove(int side) {
        numbers.set(pid(side), 0);
    }

    private static int pid(int side) {
        return SIDES + OF_A_SIDE * side;
    }

    private static int index(int side) {
        return pid(side) + 1;
    }
}
