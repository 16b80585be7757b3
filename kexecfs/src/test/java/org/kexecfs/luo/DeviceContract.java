package org.kexecfs.luo;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.luo.Case.AcrossKexec;
import org.kexecfs.luo.Case.Bench;
import org.kexecfs.luo.Case.Plain;
import org.kexecfs.luo.Case.Step;
import org.kexecfs.posix.Fd;

/**
 * Runs the {@link Contract} where a kexec is a real one:
 *
 * <pre>
 * DeviceContract before [--emulate DIR] [--then COMMAND...]   all that one kernel shows, and the first halves of the
 *                                                             rest; then COMMAND, with the sessions open
 * DeviceContract after [--emulate DIR]                        in the next kernel: the second halves
 * </pre>
 *
 * <p>Prints {@code ok - CASE} or {@code not ok - CASE}, with the reason in lines that begin with {@code #}; at the end
 * {@code 1..N}. Exits with 0 if all are ok, with 1 if not, with 2 for a wrong argument.
 */
final class DeviceContract implements AutoCloseable {
    private final LiveUpdate luo;
    private final Deque<Bench> open = new ArrayDeque<>();
    private int run;
    private int failed;

    private DeviceContract(LiveUpdate luo) {
        this.luo = luo;
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Deque<String> arguments = new ArrayDeque<>(Arrays.asList(args));
        String phase = arguments.isEmpty() ? "" : arguments.pop();
        LiveUpdate luo = new DeviceLiveUpdate();
        if ("--emulate".equals(arguments.peek()) && arguments.size() > 1) {
            arguments.pop();
            luo = new EmulatedLiveUpdate(Path.of(arguments.pop()));
        }
        boolean then = "--then".equals(arguments.peek()) && arguments.size() > 1;
        if (!List.of("before", "after").contains(phase) || !arguments.isEmpty() && !then) {
            System.err.println("usage: DeviceContract before|after [--emulate DIR] [--then COMMAND...]");
            System.exit(2);
        }
        try (DeviceContract contract = new DeviceContract(luo)) {
            contract.run(phase.equals("before"));
            if (then) {
                arguments.pop();
                contract.then(List.copyOf(arguments));
            }
            System.exit(contract.failed == 0 ? 0 : 1);
        }
    }

    /** The device is exclusive; a directory has nothing like it. */
    private static List<Case> casesOfTheDevice() {
        return List.of(
                new Plain("theDeviceIsWaitedForWhileAnotherHasItOpen", bench -> {
                    Fd device = bench.keep(Fd.open(DeviceLiveUpdate.PATH, Fd.O_RDWR, 0));
                    CompletableFuture.runAsync(
                            device::close, CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS));
                    bench.create();
                }),
                new Plain("whenAnotherKeepsTheDeviceOpen_createGivesEBUSY", bench -> {
                    bench.keep(Fd.open(DeviceLiveUpdate.PATH, Fd.O_RDWR, 0));
                    LiveUpdate impatient = new DeviceLiveUpdate(DeviceLiveUpdate.PATH, Duration.ofMillis(300));
                    Check.fails(Errno.EBUSY, () -> impatient.createSession(bench.name("")));
                    Check.fails(Errno.EBUSY, () -> impatient.retrieveSession(bench.name("")));
                }),
                new Plain("theDeviceIsOpenNoLongerThanACreateTakes", bench -> {
                    bench.create();
                    bench.keep(Fd.open(DeviceLiveUpdate.PATH, Fd.O_RDWR, 0));
                }));
    }

    private List<Case> cases() {
        List<Case> cases = new ArrayList<>(Contract.cases());
        if (!luo.emulated()) {
            cases.addAll(casesOfTheDevice());
        }
        return cases;
    }

    private void run(boolean before) {
        for (Case one : cases()) {
            switch (one) {
                case Plain plain -> runIf(before, plain);
                case AcrossKexec across -> run(across, before ? across.before() : across.after());
            }
        }
        System.out.println("1.." + run);
        System.out.flush();
    }

    private void runIf(boolean before, Plain plain) {
        if (before) {
            run(plain, plain.run());
            open.pop().close();
        }
    }

    private void run(Case one, Step step) {
        Bench bench = new Bench(luo, one.name());
        open.push(bench);
        run++;
        try {
            step.run(bench);
            System.out.println("ok - " + one.name());
        } catch (RuntimeException | AssertionError e) {
            failed++;
            System.out.println("not ok - " + one.name());
            e.toString().lines().forEach(line -> System.out.println("# " + line));
        }
    }

    /** The sessions stay open while it runs: a kexec in it carries them over, and never comes back. */
    private void then(List<String> command) throws IOException, InterruptedException {
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        System.out.println("# " + command.get(0) + " ended, with " + status);
        failed += status == 0 ? 0 : 1;
    }

    @Override
    public void close() {
        open.forEach(Bench::close);
    }
}
