package org.kexecfs.containers;

import com.github.dockerjava.api.model.Capability;
import com.github.dockerjava.api.model.HostConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.testcontainers.containers.BindMode;
import org.testcontainers.containers.Container.ExecResult;
import org.testcontainers.containers.ExecConfig;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.utility.DockerImageName;

/** A container of the tests: it has no network, sleeps, and does what it is told. */
final class Box extends GenericContainer<Box> {
    /** Where a session is in it. */
    static final String SESSION = "/session";

    Box() {
        this(Images.SHELL);
        withCommand("sleep", "infinity");
    }

    Box(String image) {
        super(DockerImageName.parse(image));
        withImagePullPolicy(name -> false);
        withNetworkMode("none");
    }

    /** Bind-mounts a mounted session, or a directory of one, at {@link #SESSION}. */
    Box session(Path directory) {
        return withFileSystemBind(directory.toString(), SESSION, BindMode.READ_WRITE);
    }

    Box readOnlySession(Path directory) {
        return withFileSystemBind(directory.toString(), SESSION, BindMode.READ_ONLY);
    }

    /** As little as a service can have: no capability and none to come, no root to write to, another user; seccomp is the engine's. */
    Box lockedDown(int user) {
        return user(user)
                .host(host -> host.withCapDrop(Capability.ALL)
                        .withReadonlyRootfs(true)
                        .withTmpFs(Map.of("/tmp", "mode=1777"))
                        .withSecurityOpts(List.of("no-new-privileges")));
    }

    Box user(int user) {
        return withCreateContainerCmdModifier(create -> create.withUser(user + ":" + user));
    }

    Box host(UnaryOperator<HostConfig> change) {
        return withCreateContainerCmdModifier(create -> change.apply(create.getHostConfig()));
    }

    /** Runs a shell command in {@link #SESSION} that must succeed, and returns what it said. */
    String sh(String command) {
        return run(command).succeed();
    }

    /** Runs a shell command in {@link #SESSION}, as the container's user. */
    Command run(String command) {
        return exec(ExecConfig.builder(), command);
    }

    /** Runs a shell command in {@link #SESSION}, as another user of the container. */
    Command runAs(int user, String command) {
        return exec(ExecConfig.builder().user(user + ":" + user), command);
    }

    /**
     * Starts a process that goes on, with a memfd as its descriptor 3.
     *
     * @return its number in the container
     */
    String holderOf(int user) {
        return runAs(user, "with-memfd secret rw sh -c 'echo $$; exec sleep 600 </dev/null >/dev/null 2>&1' &")
                .succeed();
    }

    private Command exec(ExecConfig.ExecConfigBuilder config, String command) {
        try {
            ExecResult result = execInContainer(config.workDir(SESSION)
                    .command(new String[] {"timeout", "-s", "KILL", "60", "sh", "-c", command})
                    .build());
            return new Command(command, result.getExitCode(), result.getStdout() + result.getStderr());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted in a container: " + command, e);
        }
    }
}
