package org.kexecfs.keep;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.posix.Fd;

/** A keeper that is killed between LUO's answer to its retrieval of a session and whatever it does next. */
final class KilledKeeper {
    private KilledKeeper() {}

    /**
     * The program: {@code DIR NAME EMULATION SESSION}. It ends as if in the middle of a call of the emulation's, whose lock it has:
     * its shadow has that, too.
     */
    public static void main(String[] arguments) {
        Path emulation = Path.of(arguments[2]);
        Seat seat = Seat.take(Path.of(arguments[0]));
        seat.cast();
        seat.index().intend(new Index.Intent(arguments[1], arguments[3]));
        LiveUpdate.told("emulated " + emulation).retrieveSession(arguments[3]);
        Fd.open(emulation.resolve("lock").toString(), Fd.O_RDWR, 0).lock();
        Runtime.getRuntime().halt(0);
    }

    /** Runs it, and returns when it is dead. */
    static void run(Path directory, String name, Path emulation, String session)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(Parker.java(KilledKeeper.class));
        command.addAll(List.of(directory.toString(), name, emulation.toString(), session));
        if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
            throw new AssertionError("it ended before");
        }
    }
}
