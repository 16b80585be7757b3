package org.kexecfs.vm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.kexecfs.containers.Command;
import org.kexecfs.containers.Host;

/**
 * A virtual machine, driven by the scripts of {@code kexecfs/doc/vm.md} as they stand there.
 *
 * <p>Life cycle: there is none before {@link #start}; {@link #close} ends the QEMU that runs then.
 */
final class VirtualMachine implements AutoCloseable {
    /** Where the scripts are, seen from the host's directory. */
    private static final String SCRIPTS = "scripts";

    private static final Path MODULE =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath();

    private final Host host;
    private final int mib;
    private final Path console;
    private final String options;

    /**
     * A machine that boots nothing, but runs.
     *
     * @param mib its memory
     */
    VirtualMachine(Host host, int mib) {
        this(host, mib, "-machine accel=tcg");
    }

    /**
     * @param mib its memory
     * @param more of QEMU's options
     */
    VirtualMachine(Host host, int mib, String more) {
        this.host = host;
        this.mib = mib;
        this.console = host.path("console");
        this.options = "-nodefaults -no-user-config -display none -chardev file,id=console,append=on,path=" + console
                + " -serial chardev:console " + more;
        host.sh(MODULE.resolveSibling("kexecfs/doc/extract") + " " + MODULE.resolveSibling("kexecfs/doc/vm.md") + " "
                + SCRIPTS);
    }

    /** A machine with a kernel, whose only process counts: see {@code container-tests/vm/init}. */
    static VirtualMachine counting(Host host, int mib, Path kernel, String accelerator) {
        Path initramfs = host.path("initramfs");
        host.sh(MODULE.resolve("vm/make-initramfs") + " >" + initramfs);
        return new VirtualMachine(
                host,
                mib,
                "-machine pc,accel=" + accelerator + " -kernel " + kernel + " -initrd " + initramfs
                        + " -append 'console=ttyS0 quiet no_timer_check'");
    }

    /** Starts its QEMU, as {@code start-vm} does. */
    void start(String ram, String... more) {
        host.sh(startWith(ram, more));
    }

    /** The command line that starts its QEMU. */
    String startWith(String ram, String... more) {
        return "%s/start-vm machine %d %s %s %s".formatted(SCRIPTS, mib, ram, options, String.join(" ", more));
    }

    /** Runs one of the scripts on it, and on the session mounted at {@code vm}. */
    Command script(String name) {
        return host.run(SCRIPTS + "/" + name + " machine vm");
    }

    /** What it has said of where it is. */
    List<Tick> ticks() {
        try {
            return Tick.of(Files.readString(console));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until it says a number. */
    void awaitTick(int number) {
        host.sh("until grep -q '^counter %d uptime .*\\.' console; do sleep 0.02; done".formatted(number));
    }

    /** Whether it runs, as its QEMU has it. */
    boolean runs() {
        return host.run(SCRIPTS + "/qmp machine '{\"execute\": \"query-status\"}' '\"status\": \"running\"'")
                        .exit()
                == 0;
    }

    /** Ends its QEMU, if there is one. */
    void end() {
        host.sh("[ ! -e machine/pid ] || " + SCRIPTS + "/end-vm machine");
    }

    @Override
    public void close() {
        host.sh("[ ! -e machine/pid ] || { pid=$(cat machine/pid) && kill -KILL $pid && rm machine/pid"
                + " && while [ -e /proc/$pid/exe ]; do sleep 0.02; done; }");
    }
}
