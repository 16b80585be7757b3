package org.kexecfs.tool;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.kexecfs.fuse.PrivateMount;
import org.kexecfs.posix.Child;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.IgnoredSignals;
import org.kexecfs.posix.ResourceLimits;

/**
 * A command that has a private mount.
 *
 * <p>Life cycle: {@link #run} starts it with the only descriptor of the mount. It ends, and what it returned is known; the
 * mount ends, before or after that, with the last descriptor of it. {@link #run} returns when both have ended. SIGTERM, or
 * SIGHUP, is the command's; this process ends when the command has.
 */
final class PrivateCommand {
    private final CommandSetting setting;
    /** Empty: it was not. */
    private final CompletableFuture<Optional<Child>> started = new CompletableFuture<>();

    private final CompletableFuture<Integer> exit = new CompletableFuture<>();

    PrivateCommand(CommandSetting setting) {
        this.setting = setting;
    }

    /**
     * Runs it, and serves the mount as long as anybody has it.
     *
     * @return the command's exit code
     * @throws ToolException with 127 if there is no such command, 126 if it cannot be run
     */
    int run(PrivateMount mount) throws InterruptedException {
        // First: a command that has been started is told of what we are told.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(mount), "end"));
        try (IgnoredSignals signals = IgnoredSignals.ofTerminal()) {
            Child command = start(mount.root(), signals);
            mount.root().close();
            started.complete(Optional.of(command));
            exit.complete(command.await());
        } finally {
            started.complete(Optional.empty());
        }
        mount.awaitEnd();
        return exit.join();
    }

    private Child start(Fd root, IgnoredSignals signals) {
        int number = setting.freeNumber();
        Child.Setting child = new Child.Setting(
                setting.argumentsWith(number), setting.environmentWith(number), setting.descriptors(), signals);
        // Nobody uses the mount yet, so nothing is opened meanwhile.
        setting.openFiles().set();
        try {
            return Child.start(child, root, number);
        } catch (ErrnoException e) {
            throw new ToolException(
                    Exit.ofCommand(e.errno()), setting.arguments().getFirst() + " cannot be run: " + e.getMessage(), e);
        } finally {
            ResourceLimits.raiseOpenFiles();
        }
    }

    /** We end, or were told to: then the command first. Its exit code is ours, which only halt can say now. */
    private void end(PrivateMount mount) {
        started.join().ifPresent(command -> {
            command.terminate();
            int code = exit.join();
            mount.close();
            Runtime.getRuntime().halt(code);
        });
    }
}
