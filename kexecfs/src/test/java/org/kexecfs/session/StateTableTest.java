package org.kexecfs.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;
import static org.kexecfs.session.Machine.path;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Time;
import org.kexecfs.session.StateTable.Allowed;
import org.kexecfs.session.StateTable.Answer;
import org.kexecfs.session.StateTable.Done;
import org.kexecfs.session.StateTable.Go;
import org.kexecfs.session.StateTable.Refused;

/** The state machine, as interface.md has it: the table, and what a session does of it. */
class StateTableTest {
    /** Section 5 of interface.md; "→" leads to a state, "0" is success without work. */
    private static final String TABLE = """
            state    | prepare    | cancel   | finish   | namespace | unlink | resize
            normal   | → prepared | EINVAL   | EINVAL   | yes       | yes    | yes
            prepared | 0          | → normal | EINVAL   | EBUSY     | EBUSY  | EPERM
            updated  | EBUSY      | EINVAL   | → normal | yes       | yes    | yes
            failed   | EIO        | EINVAL   | → normal | EIO       | yes    | EIO
            """;

    @TempDir
    private Path temporary;

    private int machines;

    private record Cell(State state, Operation operation, String answer) {}

    private static List<Cell> cells() {
        List<List<String>> rows = TABLE.lines()
                .map(line -> Arrays.stream(line.split("\\|")).map(String::strip).toList())
                .toList();
        return rows.stream()
                .skip(1)
                .flatMap(row -> Stream.iterate(1, i -> i < row.size(), i -> i + 1)
                        .map(i -> new Cell(
                                State.valueOf(row.getFirst().toUpperCase(java.util.Locale.ROOT)),
                                Operation.valueOf(rows.getFirst().get(i).toUpperCase(java.util.Locale.ROOT)),
                                row.get(i))))
                .toList();
    }

    @TestFactory
    Stream<DynamicNode> theTableIsThatOfTheInterface() {
        assertEquals(State.values().length * Operation.values().length, cells().size());
        return cells().stream()
                .map(cell -> dynamicTest(
                        cell.state() + ", " + cell.operation(),
                        () -> assertEquals(cell.answer(), told(StateTable.answer(cell.state(), cell.operation())))));
    }

    private static String told(Answer answer) {
        return switch (answer) {
            case Allowed allowed -> "yes";
            case Done done -> "0";
            case Go go -> "→ " + go.next();
            case Refused refused -> refused.errno().name();
        };
    }

    /** Calls of each column, on a session that has the files "a" and "b" and the directory "d". */
    private static Map<String, BiConsumer<Session, Machine>> calls(Operation operation) {
        Map<String, BiConsumer<Session, Machine>> calls = new LinkedHashMap<>();
        switch (operation) {
            case PREPARE -> calls.put("prepare", (s, m) -> s.prepare());
            case CANCEL -> calls.put("cancel", (s, m) -> s.cancel());
            case FINISH -> {
                calls.put("finish", (s, m) -> s.finish(Finish.KEEP));
                calls.put("finish release", (s, m) -> s.finish(Finish.RELEASE));
            }
            case NAMESPACE -> {
                calls.put("create", (s, m) -> s.create(path("new"), 0600, 0, 0).close());
                calls.put("adopt", (s, m) -> Machine.adopt(s, m.memfd("content"), "new"));
                calls.put("link", (s, m) -> s.link(path("a"), path("new")));
                calls.put("rename", (s, m) -> s.rename(path("a"), path("new")));
                calls.put("rename over", (s, m) -> s.rename(path("a"), path("b")));
                calls.put("mkdir", (s, m) -> Machine.mkdir(s, "new"));
                calls.put("chmod", (s, m) -> s.chmod(path("a"), 0600));
                calls.put("chown", (s, m) -> s.chown(path("a"), Optional.of(1), Optional.empty()));
                calls.put("utimens", (s, m) -> s.setTimes(path("a"), Time.now(), Time.now()));
            }
            case UNLINK -> {
                calls.put("unlink", (s, m) -> s.unlink(path("a")));
                calls.put("rmdir", (s, m) -> s.rmdir(path("d")));
            }
            case RESIZE -> {
                calls.put("truncate", (s, m) -> s.truncate(path("a"), 1));
                calls.put("ftruncate", (s, m) -> onFile(s, file -> file.truncate(100)));
                calls.put("write past the end", (s, m) -> onFile(s, file -> Machine.write(file, "more", 2)));
                calls.put("append", (s, m) -> onFile(s, file -> Machine.append(file, "more")));
                calls.put("fallocate", (s, m) -> onFile(s, file -> file.allocate(0, 0, 100)));
            }
        }
        return calls;
    }

    /** What no column is about: it is allowed in every state. */
    private static Map<String, BiConsumer<Session, Machine>> alwaysAllowed() {
        Map<String, BiConsumer<Session, Machine>> calls = new LinkedHashMap<>();
        calls.put("write within the size", (s, m) -> onFile(s, file -> Machine.write(file, "A", 0)));
        calls.put("truncate to the size it has", (s, m) -> s.truncate(path("a"), 3));
        calls.put("append nothing", (s, m) -> onFile(s, file -> Machine.append(file, "")));
        calls.put("read", (s, m) -> assertEquals("aaa", Machine.read(s, "a")));
        calls.put("stat", (s, m) -> assertEquals(3, Machine.stat(s, "a").size()));
        calls.put("list", (s, m) -> assertTrue(s.list(EntryPath.ROOT).size() >= 3));
        calls.put("files", (s, m) -> assertTrue(s.files().size() >= 3));
        calls.put("usage", (s, m) -> assertTrue(s.usage().entries() >= 3));
        return calls;
    }

    private static void onFile(Session session, java.util.function.Consumer<OpenFile> what) {
        try (OpenFile file = session.open(path("a"), true)) {
            what.accept(file);
        }
    }

    @TestFactory
    Stream<DynamicNode> aSessionAnswersEveryCallAsTheTableSays() {
        return cells().stream()
                .map(cell -> dynamicContainer(
                        cell.state() + ": " + cell.operation() + " " + cell.answer(),
                        calls(cell.operation()).entrySet().stream()
                                .map(call -> dynamicTest(
                                        call.getKey(), () -> inState(cell.state(), call.getValue(), cell.answer())))));
    }

    @TestFactory
    Stream<DynamicNode> whatChangesNoNameAndNoSizeIsAllowedInEveryState() {
        return Arrays.stream(State.values())
                .map(state -> dynamicContainer(
                        state.toString(),
                        alwaysAllowed().entrySet().stream()
                                .map(call ->
                                        dynamicTest(call.getKey(), () -> inState(state, call.getValue(), "yes")))));
    }

    private void inState(State state, BiConsumer<Session, Machine> call, String answer) {
        try (Machine machine = new Machine(temporary.resolve("machine" + machines++))) {
            Session session = reach(state, machine);
            List<Object> before = entries(session);
            Map<String, Integer> heard = new HashMap<>();
            session.onStateChange(() -> heard.merge("changes", 1, Integer::sum));

            Optional<Errno> failed = Optional.empty();
            try {
                call.accept(session, machine);
            } catch (ErrnoException e) {
                failed = Optional.of(e.errno());
            }

            boolean goes = answer.startsWith("→ ");
            assertEquals(
                    goes ? answer.substring(2) : state.toString(),
                    session.state().toString(),
                    "the state");
            assertEquals(goes ? 1 : 0, heard.getOrDefault("changes", 0), "changes that a listener heard of");
            if (answer.startsWith("E")) {
                assertEquals(answer, failed.map(Errno::name).orElse("success"));
                assertEquals(before, entries(session), "the entries");
            } else {
                assertEquals(Optional.empty(), failed);
            }
        }
    }

    /** Entries, less their statuses: opening one claims it, in every state. */
    private static List<Object> entries(Session session) {
        return session.files().stream()
                .<Object>map(listed -> List.of(listed.token(), listed.size(), listed.path()))
                .toList();
    }

    private static Session reach(State state, Machine machine) {
        Session session = machine.open();
        Machine.put(session, "a", "aaa");
        Machine.put(session, "b", "bbb");
        Machine.mkdir(session, "d");
        Machine.put(session, "lost", "lll");
        switch (state) {
            case NORMAL -> {}
            case PREPARED -> session.prepare();
            case UPDATED -> session = machine.update();
            case FAILED -> {
                machine.luo().loses(Machine.stat(session, "lost").token(), Errno.EIO);
                session = machine.update();
            }
        }
        assertEquals(state, session.state());
        return session;
    }
}
