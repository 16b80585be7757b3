package org.kexecfs.tool;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code kexecfs demo}: one live update, step by step, as the shell commands that a user would type. */
@Command(
        name = "demo",
        description = {
            "Shows one live update: links a memfd of this very process into a mount, copies a file beside it, prepares,"
                    + " updates, and compares what comes back. Nothing is left behind.",
            "Without /dev/liveupdate the update is emulated. With it, it is a real kexec, which this command does not do"
                    + " unasked: stage 1 ends with what to run, and after it 'kexecfs demo --stage 2' looks at what came"
                    + " over.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  kexecfs demo",
            "  kexecfs demo --emulate      also where there is a LUO",
            "  kexecfs demo --kexec        stage 1, then kexec THIS MACHINE at once",
            "  kexecfs demo --stage 2      after the kexec"
        })
final class DemoCommand implements Runnable {
    private static final Path DEVICE = Path.of("/dev/liveupdate");
    private static final Path AT_REAL_KEXEC = Path.of("/run/kexecfs-demo");

    @Option(names = "--emulate", description = "Emulate the update, whatever this kernel has.")
    private boolean emulate;

    @Option(names = "--stage", paramLabel = "N", description = "1: until the kexec (default). 2: from it on.")
    private int stage = 1;

    @Option(names = "--kexec", description = "Kexec this machine, into the kernel that it runs, after stage 1.")
    private boolean kexec;

    @Spec
    private CommandSpec spec;

    private PrintWriter out;

    @Override
    public void run() {
        out = spec.commandLine().getOut();
        if (stage != 1 && stage != 2) {
            throw new ToolException(Exit.USAGE, "--stage " + stage + ": there are stages 1 and 2");
        }
        if (emulate || !Files.exists(DEVICE)) {
            emulated();
        } else if (stage == 1) {
            untilKexec();
        } else {
            afterKexec();
        }
    }

    private void emulated() {
        if (stage == 2 || kexec) {
            throw new ToolException(
                    Exit.USAGE,
                    "there is no " + DEVICE + " here: the demo emulates the update, in one stage, with no kexec");
        }
        out.println((emulate ? "As asked for, the" : "This kernel has no " + DEVICE + ": the")
                + " update is emulated. What is shown is otherwise real.\n");
        try (Scratch scratch = Scratch.temporary()) {
            Shell shell = new Shell(scratch.directory(), out);
            preserve(shell, " -o emulate=luo");
            shell.run("kexecfs kexec --emulate luo");
            comeBack(shell, " -o emulate=luo");
        }
        out.println("Both files came back as they were. Nothing is left behind.");
    }

    private void untilKexec() {
        out.println("This kernel has " + DEVICE + ": the update is a real kexec.\n");
        Scratch scratch = Scratch.at(AT_REAL_KEXEC);
        Shell shell = new Shell(scratch.directory(), out);
        try {
            preserve(shell, "");
        } catch (RuntimeException e) {
            scratch.close();
            throw e;
        }
        String load =
                "kexec -s -l \"/boot/vmlinuz-$(uname -r)\" --initrd=\"/boot/initrd.img-$(uname -r)\" --reuse-cmdline";
        if (kexec) {
            shell.run(load);
            shell.run("kexec -e");
        } else {
            out.println("The session is prepared. Now kexec this machine, which ends all that runs on it:\n\n  " + load
                    + " && kexec -e\n\nand in the next kernel:\n\n  kexecfs demo --stage 2\n\nOr let it be: kexecfs umount "
                    + scratch.directory().resolve("demo"));
        }
    }

    private void afterKexec() {
        try (Scratch scratch = Scratch.at(AT_REAL_KEXEC)) {
            comeBack(new Shell(scratch.directory(), out), "");
        }
        out.println("Both files came through the kexec as they were. Nothing is left behind.");
    }

    private void preserve(Shell shell, String options) {
        shell.run("mkdir -p demo");
        shell.run("mount.kexecfs demo demo" + options);
        linkMemfd(shell);
        shell.run("cp /proc/version demo/copied");
        shell.run("ls -l demo");
        // Kept in the session, so that stage 2 has it too.
        shell.run("cd demo && sha256sum linked copied >SHA256SUMS && cat SHA256SUMS");
        shell.run("echo 1 >demo/kexecfs.prepare");
        shell.run("cat demo/kexecfs.state");
        shell.run("kexecfs ls demo/");
    }

    /** What is linked is the memfd itself, no copy: what this process writes to it afterwards is preserved too. */
    private void linkMemfd(Shell shell) {
        try (Fd memfd = Fd.memfd("demo")) {
            out.println("(This process makes a memfd, its fd " + memfd.number() + ", and writes to it.)");
            memfd.pwrite(Fd.utf8("written before the link\n"), 0);
            out.println("$ ln demo/kexecfs.fd/self/" + memfd.number() + " demo/linked");
            Path mount = shell.directory().resolve("demo");
            Files.createLink(
                    mount.resolve("linked"),
                    mount.resolve("kexecfs.fd").resolve("self").resolve(Integer.toString(memfd.number())));
            memfd.pwrite(Fd.utf8("written before the link\nand after it\n"), 0);
            out.println("(It writes to the memfd again, and closes it.)");
        } catch (IOException e) {
            throw new ToolException(Exit.FAILED, "cannot link the memfd: " + e.getMessage(), e);
        }
    }

    private static void comeBack(Shell shell, String options) {
        shell.run("mkdir -p demo");
        shell.run("mount.kexecfs demo demo" + options);
        shell.run("cat demo/kexecfs.state");
        shell.run("ls -l demo");
        shell.run("cat demo/linked");
        shell.run("cd demo && sha256sum -c SHA256SUMS");
        shell.run("echo 1 >demo/kexecfs.finish");
        shell.run("cat demo/kexecfs.state");
        shell.run("kexecfs umount demo/");
    }
}
