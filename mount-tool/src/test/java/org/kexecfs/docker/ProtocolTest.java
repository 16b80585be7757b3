package org.kexecfs.docker;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What each request comes to, without HTTP and without sessions. */
class ProtocolTest {
    private static final Path MOUNTS = Path.of("/run/kexecfs/volumes");

    @TempDir
    private Path state;

    private final FakeSessions sessions = new FakeSessions();
    private Records records;
    private Protocol plugin;

    @BeforeEach
    void start() {
        start("boot");
    }

    private void start(String boot) {
        records = Records.open(state, boot);
        plugin = new Protocol(new Volumes(records, sessions, MOUNTS, "mode=0750"));
    }

    /** A kill of the plugin, as far as its records go. */
    private void restart(String boot) {
        records.close();
        start(boot);
    }

    @AfterEach
    void end() {
        records.close();
    }

    private Reply call(String method, String json) {
        return plugin.answer("POST", method, json.getBytes(StandardCharsets.UTF_8));
    }

    /** A call that must succeed. */
    private String ok(String method, String json) {
        Reply reply = call("/VolumeDriver." + method, json);
        String text = text(reply);
        assertEquals(200, reply.status(), text);
        return text;
    }

    private static String text(Reply reply) {
        return new String(reply.json(), StandardCharsets.UTF_8);
    }

    private void refused(int status, String words, String method, String json) {
        Reply reply = call("/VolumeDriver." + method, json);
        assertAll(
                () -> assertEquals(status, reply.status(), text(reply)),
                () -> assertTrue(text(reply).startsWith("{\"Err\":\""), text(reply)),
                () -> assertTrue(text(reply).contains(words), text(reply)));
    }

    @Test
    void itIsAVolumeDriverOfThisHost() {
        assertEquals("{\"Implements\":[\"VolumeDriver\"]}", text(call("/Plugin.Activate", "")));
        assertEquals("{\"Capabilities\":{\"Scope\":\"local\"}}", ok("Capabilities", "{}\n"));
    }

    @Test
    void aVolumeIsASession_mountedForItsFirstUserAndNotUnmountedAfterTheLast() {
        ok("Create", "{\"Name\":\"web\",\"Opts\":{\"size\":\"1m\",\"ro\":\"\"}}");
        assertEquals(Map.of(), sessions.mounted);

        assertEquals(
                "{\"Mountpoint\":\"/run/kexecfs/volumes/web\",\"Err\":\"\"}",
                ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}"));
        ok("Unmount", "{\"Name\":\"web\",\"ID\":\"a\"}");

        assertEquals(Map.of("web", MOUNTS.resolve("web")), sessions.mounted);
        assertEquals("mode=0750,ro,size=1m", sessions.options.get("web"));
    }

    @Test
    void itsOwnOptionsComeBeforeThoseOfAll() {
        ok("Create", "{\"Name\":\"web\",\"Opts\":{\"mode\":\"0700\"}}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");

        assertEquals("mode=0700", sessions.options.get("web"));
    }

    @Test
    void whatItIsIsToldByNameAndInTheList() {
        ok("Create", "{\"Name\":\"web\"}");
        ok("Create", "{\"Name\":\"cache\",\"Opts\":null}");

        String web = ok("Get", "{\"Name\":\"web\"}");
        assertTrue(
                web.matches(
                        "\\{\"Volume\":\\{\"Name\":\"web\",\"Mountpoint\":\"/run/kexecfs/volumes/web\","
                                + "\"CreatedAt\":\"[-0-9]+T[0-9:]+Z\",\"Status\":\\{\"options\":\"mode=0750\",\"users\":0}},\"Err\":\"\"}"),
                web);
        assertEquals("{\"Mountpoint\":\"/run/kexecfs/volumes/web\",\"Err\":\"\"}", ok("Path", "{\"Name\":\"web\"}"));
        assertTrue(ok("List", "")
                .matches("\\{\"Volumes\":\\[\\{\"Name\":\"cache\".*\\{\"Name\":\"web\".*],\"Err\":\"\"}"));
    }

    @Test
    void theSameCallAgainIsAsGood() {
        for (int i = 0; i < 2; i++) {
            ok("Create", "{\"Name\":\"web\"}");
        }
        for (int i = 0; i < 2; i++) {
            ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        }
        for (int i = 0; i < 2; i++) {
            ok("Unmount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        }
        for (int i = 0; i < 2; i++) {
            ok("Remove", "{\"Name\":\"web\"}");
        }
        assertEquals(Map.of(), sessions.mounted);
        assertEquals("{\"Volumes\":[],\"Err\":\"\"}", ok("List", "{}"));
    }

    @Test
    void createdAgainWithOtherOptionsItIsRefused() {
        ok("Create", "{\"Name\":\"web\",\"Opts\":{\"size\":\"1m\"}}");

        refused(
                409,
                "'mode=0750,size=1m', and not 'mode=0750,size=2m'",
                "Create",
                "{\"Name\":\"web\",\"Opts\":{\"size\":\"2m\"}}");
    }

    @Test
    void inUseItIsNotRemoved_ifItWasTheSameUserTwiceToo() {
        ok("Create", "{\"Name\":\"web\"}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"b\"}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"b\"}");
        ok("Unmount", "{\"Name\":\"web\",\"ID\":\"a\"}");

        refused(409, "in use, by 1", "Remove", "{\"Name\":\"web\"}");
        restart("boot");
        refused(409, "docker ps -a --filter volume=web", "Remove", "{\"Name\":\"web\"}");

        ok("Unmount", "{\"Name\":\"web\",\"ID\":\"b\"}");
        ok("Remove", "{\"Name\":\"web\"}");
    }

    @Test
    void whereNothingIsMountedNobodyUsesIt() {
        ok("Create", "{\"Name\":\"web\"}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        sessions.mounted.clear();

        ok("Remove", "{\"Name\":\"web\"}");
    }

    @Test
    void afterTheNextBootAllAreMountedAgain_andNobodyUsesThem() {
        ok("Create", "{\"Name\":\"web\"}");
        ok("Create", "{\"Name\":\"cache\"}");
        ok("Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        sessions.mounted.clear();

        restart("next");
        plugin.volumes().mountAll();

        assertEquals(Map.of("web", MOUNTS.resolve("web"), "cache", MOUNTS.resolve("cache")), sessions.mounted);
        ok("Remove", "{\"Name\":\"web\"}");
    }

    @Test
    void whatCannotBeMountedIsToldAndHasNoUser() {
        ok("Create", "{\"Name\":\"web\"}");
        FakeSessions broken = new FakeSessions() {
            @Override
            public void mount(String session, Path directory, String given) {
                throw new SessionException(session.equals("web"), "cannot mount " + session + ": no device", null);
            }
        };
        plugin = new Protocol(new Volumes(records, broken, MOUNTS, ""));
        ok("Create", "{\"Name\":\"other\"}");

        refused(409, "cannot mount web: no device", "Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
        refused(500, "cannot mount other: no device", "Mount", "{\"Name\":\"other\",\"ID\":\"a\"}");
        assertTrue(ok("Get", "{\"Name\":\"web\"}").contains("\"users\":0"));
        plugin.volumes().mountAll();
        ok("Remove", "{\"Name\":\"web\"}");
    }

    @Test
    void whatCannotBeEndedIsThereStill() {
        FakeSessions prepared = new FakeSessions() {
            @Override
            public void end(String session, Path directory) {
                throw new SessionException(true, session + " is prepared", null);
            }
        };
        plugin = new Protocol(new Volumes(records, prepared, MOUNTS, ""));
        ok("Create", "{\"Name\":\"web\"}");

        refused(409, "web is prepared", "Remove", "{\"Name\":\"web\"}");
        ok("Get", "{\"Name\":\"web\"}");
    }

    @Test
    void whatGoesWrongHereIsAnsweredToo() {
        FakeSessions broken = new FakeSessions() {
            @Override
            public void mount(String session, Path directory, String given) {
                throw new IllegalStateException("a bug");
            }
        };
        plugin = new Protocol(new Volumes(records, broken, MOUNTS, ""));
        ok("Create", "{\"Name\":\"web\"}");

        refused(500, "a bug", "Mount", "{\"Name\":\"web\",\"ID\":\"a\"}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "Fly     | {}                                            | 404 | VolumeDriver.Fly",
                "Create  | {                                             | 400 | Unexpected end-of-input",
                "Create  | []                                            | 400 | no object",
                "Create  | \"web\"                                       | 400 | no object",
                "Create  | garbage                                       | 400 | 'garbage'",
                "Create  | {\"Name\":\"web\"} {}                         | 400 | more behind",
                "Create  | {\"Name\":\"web\",\"Name\":\"other\"}         | 400 | Duplicate field",
                "Create  | {}                                            | 400 | no Name",
                "Create  | {\"Name\":7}                                  | 400 | Name is no string",
                "Create  | {\"Name\":null}                               | 400 | Name is no string",
                "Create  | {\"Name\":\"\"}                               | 400 | volume name ''",
                "Create  | {\"Name\":\"..\"}                             | 400 | volume name '..'",
                "Create  | {\"Name\":\"../web\"}                         | 400 | '../web'",
                "Create  | {\"Name\":\"a/b\"}                            | 400 | 'a/b'",
                "Create  | {\"Name\":\"-a\"}                             | 400 | '-a'",
                "Create  | {\"Name\":\"a b\"}                            | 400 | 'a b'",
                "Create  | {\"Name\":\"ü\"}                              | 400 | volume name",
                "Create  | {\"Name\":\"a\\u0000\"}                       | 400 | volume name",
                "Create  | {\"Name\":\"web\",\"Opts\":[]}                | 400 | Opts is no object",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"size\":1}}      | 400 | option size is no string",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"fly\":\"high\"}}| 400 | unknown mount option fly",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"size\":\"big\"}}| 400 | size=big",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"size\":\"\"}}   | 400 | size needs a value",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"\":\"\"}}       | 400 | NAME=VALUE",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"uid=0,gid\":\"0\"}}    | 400 | NAME=VALUE",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"uid\":\"0,fly\"}}      | 400 | NAME=VALUE",
                "Create  | {\"Name\":\"web\",\"Opts\":{\"private\":\"\"}}| 400 | on a directory",
                "Mount   | {\"Name\":\"web\"}                            | 400 | no ID",
                "Mount   | {\"Name\":\"web\",\"ID\":\"\"}                | 400 | no ID",
                "Mount   | {\"Name\":\"none\",\"ID\":\"a\"}              | 404 | no volume none",
                "Unmount | {\"Name\":\"none\",\"ID\":\"a\"}              | 404 | no volume none",
                "Unmount | {\"ID\":\"a\"}                                | 400 | no Name",
                "Path    | {\"Name\":\"none\"}                           | 404 | no volume none",
                "Get     | {\"Name\":\"none\"}                           | 404 | no volume none",
                "Remove  | {\"Name\":7}                                  | 400 | Name is no string",
                "List    | [                                             | 400 | no object",
            })
    void whatCannotBeIsToldAndChangesNothing(String method, String json, int status, String words) {
        refused(status, words, method, json);
        assertEquals("{\"Volumes\":[],\"Err\":\"\"}", ok("List", "{}"));
        assertEquals(Map.of(), sessions.mounted);
    }

    @Test
    void aNameIsAsLongAsASessions() {
        ok("Create", "{\"Name\":\"" + "a".repeat(63) + "\"}");
        // What the engine makes up for a volume without a name.
        refused(400, "has 64 characters", "Create", "{\"Name\":\"" + "a".repeat(64) + "\"}");
        refused(400, "has 300 characters", "Create", "{\"Name\":\"" + "a".repeat(300) + "\"}");
    }

    @Test
    void optionsAreNoLongerThanAPage() {
        refused(400, "4095", "Create", "{\"Name\":\"web\",\"Opts\":{\"device\":\"/" + "a".repeat(4090) + "\"}}");
    }

    @Test
    void onlyAPostIsACall() {
        assertEquals(
                405, plugin.answer("GET", "/VolumeDriver.List", new byte[0]).status());
    }

    @Test
    void unknownFieldsAreOfLaterEngines() {
        ok("Create", "{\"Future\":{\"a\":[1,{\"b\":null}]},\"Name\":\"web\"}");
    }
}
