package org.kexecfs.containers;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Sessions as volumes: {@code docker} asks its engine, and that the plugin. The engine is our own: it is restarted. */
@Tag("containers")
class VolumePluginTest {
    private static final String DRIVER = "kexecfs" + ProcessHandle.current().pid();

    private static Engine engine;

    private Host host;
    private VolumePlugin plugin;

    @BeforeAll
    static void startEngine() {
        engine = Engine.own();
        try (Scratch scratch = Scratch.make("images")) {
            engine.importImage(Images.SHELL, Images.archive("shell", scratch.directory()));
            engine.importImage(Images.BARE, Images.archive("bare", scratch.directory()));
        }
    }

    @AfterAll
    static void endEngine() {
        engine.close();
    }

    @BeforeEach
    void startPlugin() {
        host = new Host();
        plugin = new VolumePlugin(host, DRIVER);
    }

    @AfterEach
    void endPlugin() {
        docker("ps -aq --no-trunc").output().lines().forEach(id -> docker("rm -f " + id));
        docker("volume ls -q").output().lines().forEach(volume -> {
            host.run("kexecfs umount --force run/volumes/" + volume);
            docker("volume rm " + volume);
        });
        plugin.close();
        host.close();
    }

    private Command docker(String arguments) {
        return host.run("docker --host unix://" + engine.socket() + " " + arguments);
    }

    private String ok(String arguments) {
        return docker(arguments).succeed();
    }

    /** Runs a shell command in a container that has the volume {@code web} at /web. */
    private Command inContainer(String command) {
        return docker("run --rm --network none -v web:/web --volume-driver " + DRIVER + " -w /web " + Images.SHELL
                + " sh -c '" + command + "'");
    }

    /** What a program of another image says of a file in it. */
    private String ofAnotherImage(String program, String file) {
        return ok("run --rm --network none -v web:/other " + Images.BARE + " /" + program + " /other/" + file);
    }

    @Test
    void aVolumeIsMadeByItsFirstUse_andItsFilesOutliveTheContainer() {
        inContainer("with-memfd hello rw ln kexecfs.fd/self/3 linked && mkdir dir && echo copied >dir/file")
                .succeed();

        assertAll(
                () -> assertEquals("hello", ofAnotherImage("cat", "linked")),
                () -> assertEquals("copied", ofAnotherImage("cat", "dir/file")),
                () -> assertEquals(DRIVER + " web", ok("volume ls --format '{{.Driver}} {{.Name}}'")),
                () -> assertEquals("hello", host.sh("cat run/volumes/web/linked")),
                () -> assertEquals(
                        host.path("run/volumes/web").toString(), ok("volume inspect -f '{{.Mountpoint}}' web")));
    }

    @Test
    void anUpdateBringsItsFilesBack_toAContainerOfAnotherImage() {
        inContainer("with-memfd hello rw ln kexecfs.fd/self/3 linked").succeed();
        host.sh("kexecfs prepare ./run/volumes/web");

        host.kexec();

        assertEquals("hello", ofAnotherImage("cat", "linked"));
        assertEquals("updated", host.sh("cat run/volumes/web/kexecfs.state"));
        host.sh("kexecfs finish --strict ./run/volumes/web");
    }

    /** As after a real one: the plugin is started anew, and waits for no container. */
    @Test
    void anUpdateBringsItsFilesBack_whenThePluginStarts() {
        inContainer("echo state >file").succeed();
        host.sh("kexecfs prepare ./run/volumes/web");
        plugin.kill();
        host.kexec();

        plugin.start();

        host.sh("timeout 20 sh -c 'until [ -e run/volumes/web/file ]; do sleep 0.05; done'");
        assertEquals("updated", host.sh("cat run/volumes/web/kexecfs.state"));
        docker("volume rm web").failWith("1 restored files that nobody has claimed");
        assertEquals("state", ofAnotherImage("cat", "file"));
    }

    @Test
    void volumesAreThereAfterTheEnginesRestart() {
        inContainer("echo state >file").succeed();
        ok("volume create -d " + DRIVER + " -o size=1m small");
        ok("run -d --name user --stop-signal KILL --network none -v web:/web " + Images.SHELL + " sleep infinity");

        engine.restart();

        assertEquals("small\nweb", ok("volume ls -q"));
        assertEquals("state", ofAnotherImage("cat", "file"));
        ok("start user");
        assertEquals("state", ok("exec user cat /web/file"));
        ok("rm -f user");
        ok("volume rm web small");
        assertEquals("", ok("volume ls -q"));
    }

    @Test
    void aPluginThatIsKilledGoesOnWhereItWas() {
        ok("volume create -d " + DRIVER + " -o size=1m -o mode=0700 web");
        ok("run -d --name user --stop-signal KILL --network none -v web:/web " + Images.SHELL + " sleep infinity");
        ok("exec user sh -c 'echo state >/web/file'");

        plugin.kill();
        assertEquals("state", ok("exec user cat /web/file"));
        // The engine waits for a plugin that does not answer.
        CompletableFuture<Command> meanwhile =
                CompletableFuture.supplyAsync(() -> docker("volume create -d " + DRIVER + " late"));
        plugin.start();
        assertEquals("late", meanwhile.join().succeed());
        ok("volume rm late");

        assertEquals("state", ofAnotherImage("cat", "file"));
        assertEquals("700", host.sh("stat -c %a run/volumes/web"));
        ok("rm -f user");
        ok("volume rm web");
        assertEquals("lock", host.sh("ls run/volumes && ls state"));
    }

    @Test
    void whatASessionHoldsIsLimitedByTheVolumesOptions() {
        ok("volume create -d " + DRIVER + " -o size=1m -o uid=1234 web");

        inContainer("dd if=/dev/zero of=big bs=64k count=17").failWith("No space left on device");
        assertEquals("1234", inContainer("stat -c %u .").succeed());
    }

    @Test
    void aVolumeInUseOrPreparedIsNotRemoved() {
        ok("volume create -d " + DRIVER + " web");
        ok("run -d --name user --stop-signal KILL --network none -v web:/web " + Images.SHELL + " sleep infinity");
        docker("volume rm web").failWith("volume is in use");
        String answer = plugin.ask("Remove", "{\"Name\":\"web\"}");
        assertTrue(answer.startsWith("HTTP/1.1 409 ") && answer.contains("docker ps -a --filter volume=web"), answer);
        ok("rm -f user");

        host.sh("echo 1 >run/volumes/web/file && kexecfs prepare ./run/volumes/web");
        docker("volume rm web").failWith("kexecfs cancel");
        assertEquals("1", host.sh("kexecfs cancel ./run/volumes/web >cancelled && cat run/volumes/web/file"));
        ok("volume rm web");
        assertTrue(Files.notExists(host.path("run/volumes/web")));
    }

    @Test
    void whatCannotBeIsToldByDocker_andLeavesNothing() {
        host.sh("mkdir elsewhere && mount.kexecfs taken elsewhere -o emulate=luo");
        String create = "volume create -d " + DRIVER + " ";

        docker(create + "-o size=much web").failWith("mount option size=much");
        docker(create + "-o fly=high web").failWith("unknown mount option fly");
        docker(create + "-o uid=0,private web").failWith("NAME=VALUE");
        docker(create + "a%b").failWith("volume name 'a%b'");
        docker(create + "a".repeat(300)).failWith("300 characters");
        docker("run --rm --network none -v /web --volume-driver " + DRIVER + " " + Images.SHELL + " true")
                .failWith("64 characters");
        docker("run --rm --network none -v taken:/web --volume-driver " + DRIVER + " " + Images.SHELL + " true")
                .failWith(host.path("elsewhere").toString());
        ok("volume rm taken");

        assertEquals("", ok("volume ls -q"));
        assertEquals("lock", host.sh("ls state"));
        host.sh("kexecfs umount ./elsewhere");
    }

    @Test
    void aSecondPluginIsRefused() {
        Command second =
                host.run("kexecfs docker-plugin --socket /run/docker/plugins/" + DRIVER + "b.sock --state state");

        second.failWith("another docker-plugin has " + host.path("state"));
        assertEquals(4, second.exit());
        assertTrue(Files.notExists(Path.of("/run/docker/plugins/" + DRIVER + "b.sock")));
    }
}
