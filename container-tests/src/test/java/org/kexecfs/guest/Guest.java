package org.kexecfs.guest;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A machine under QEMU, not yet running.
 *
 * @param kernel the bzImage to begin with
 * @param root the root's image; a run does not change it
 * @param memoryMib the machine's memory
 * @param options further words for the kernel's command line
 * @param accelerator how it runs
 * @param timeout after which a run has hung
 */
public record Guest(
        Path kernel, Path root, int memoryMib, List<String> options, Accelerator accelerator, Duration timeout) {

    private static final Duration TIMEOUT = Duration.ofSeconds(300);

    /** Keeps its own copy of the options. */
    public Guest {
        options = List.copyOf(options);
    }

    /**
     * A guest of 1 GiB that runs anywhere.
     *
     * @param kernel the bzImage to begin with
     * @param root the root's image
     * @return the guest
     */
    public static Guest of(Path kernel, Path root) {
        return new Guest(kernel, root, 1024, List.of(), Accelerator.TCG, TIMEOUT);
    }

    /**
     * This guest, run in another way.
     *
     * @param accelerator the way
     * @return a new guest
     */
    public Guest with(Accelerator accelerator) {
        return new Guest(kernel, root, memoryMib, options, accelerator, timeout);
    }

    /**
     * This guest with other memory.
     *
     * @param mib its size
     * @return a new guest
     */
    public Guest withMemoryMib(int mib) {
        return new Guest(kernel, root, mib, options, accelerator, timeout);
    }

    /**
     * This guest with one more word on the kernel's command line.
     *
     * @param option the word
     * @return a new guest
     */
    public Guest withOption(String option) {
        List<String> more = new ArrayList<>(options);
        more.add(option);
        return new Guest(kernel, root, memoryMib, more, accelerator, timeout);
    }

    /**
     * This guest with less or more patience.
     *
     * @param limit after which a run has hung
     * @return a new guest
     */
    public Guest within(Duration limit) {
        return new Guest(kernel, root, memoryMib, options, accelerator, limit);
    }

    /**
     * Runs a scenario to its end, or ends it. When this returns or throws, the machine is gone.
     *
     * @param scenario the name of a file of {@code guest/scenarios}
     * @return what came of it
     */
    public GuestRun run(String scenario) {
        List<String> console = Collections.synchronizedList(new ArrayList<>());
        long begin = System.nanoTime();
        Process machine = start(scenario);
        Thread killer = Thread.ofPlatform().unstarted(machine::destroyForcibly);
        Runtime.getRuntime().addShutdownHook(killer);
        String end;
        try {
            Thread reader = Thread.ofVirtual().start(() -> read(machine, console));
            end = machine.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)
                    ? "QEMU ended with status " + machine.exitValue()
                    : "it hung";
            machine.destroyForcibly().waitFor();
            reader.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while guest scenario " + scenario + " ran", e);
        } finally {
            machine.destroyForcibly();
            Runtime.getRuntime().removeShutdownHook(killer);
        }
        return new GuestRun(scenario, List.copyOf(console), Duration.ofNanos(System.nanoTime() - begin), end);
    }

    private Process start(String scenario) {
        try {
            return new ProcessBuilder(command(scenario))
                    .redirectErrorStream(true)
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<String> command(String scenario) {
        List<String> command = new ArrayList<>();
        command.add(GuestScript.path("run-guest").toString());
        command.addAll(List.of("--kernel", kernel.toString(), "--root", root.toString()));
        command.addAll(List.of("--memory", Integer.toString(memoryMib), "--accel", accelerator.word()));
        options.forEach(option -> command.addAll(List.of("--option", option)));
        command.add(scenario);
        return command;
    }

    private static void read(Process machine, List<String> console) {
        try (BufferedReader lines = machine.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                console.add(line.stripTrailing());
            }
        } catch (IOException e) {
            console.add("(the console could not be read on: " + e.getMessage() + ")");
        }
    }
}
