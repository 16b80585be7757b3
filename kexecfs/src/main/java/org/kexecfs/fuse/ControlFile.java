package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.manifest.Kind;
import org.kexecfs.manifest.Name;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.session.Finish;
import org.kexecfs.session.Listed;
import org.kexecfs.session.Session;
import org.kexecfs.session.Usage;

/** A file of kexecfs's own in the root: what it reads, or what a write to it does. */
enum ControlFile {
    STATE("kexecfs.state", context -> context.session().state() + "\n"),
    PREPARE("kexecfs.prepare", Map.of("1", Session::prepare)),
    CANCEL("kexecfs.cancel", Map.of("1", Session::cancel)),
    FINISH(
            "kexecfs.finish",
            Map.of(
                    "1", session -> session.finish(Finish.KEEP),
                    "strict", session -> session.finish(Finish.STRICT),
                    "release", session -> session.finish(Finish.RELEASE))),
    FILES("kexecfs.files", ControlFile::files),
    ERROR("kexecfs.error", ControlFile::error),
    INFO("kexecfs.info", ControlFile::info),
    /** Takes {@code FD NAME} and not a word: see {@link PreserveCommand}. */
    PRESERVE("kexecfs.preserve", Map.of());

    /** What a control file tells of. */
    record Context(Session session, Passthrough passthrough) {}

    private static final Map<Name, ControlFile> BY_NAME =
            Arrays.stream(values()).collect(Collectors.toUnmodifiableMap(ControlFile::fileName, file -> file));

    static final int INTERFACE_VERSION = 1;

    private final Name name;
    private final Optional<Function<Context, String>> content;
    private final Map<String, Consumer<Session>> commands;

    ControlFile(String name, Function<Context, String> content) {
        this.name = Name.of(name);
        this.content = Optional.of(content);
        this.commands = Map.of();
    }

    ControlFile(String name, Map<String, Consumer<Session>> commands) {
        this.name = Name.of(name);
        this.content = Optional.empty();
        this.commands = commands;
    }

    /** The control file of a name, if there is one. */
    static Optional<ControlFile> named(Name name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    Name fileName() {
        return name;
    }

    /** Whether it is written, and not read. */
    boolean isCommand() {
        return content.isEmpty();
    }

    /** What it reads now: EINVAL for one that is only written. */
    byte[] read(Context context) {
        return content.orElseThrow(() -> new ErrnoException(Errno.EINVAL, name + " is written, not read"))
                .apply(context)
                .getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    /**
     * Does what is written to it.
     *
     * @param text one of its words; white space around it means nothing
     * @throws ErrnoException EINVAL for any other word; what the command throws
     */
    void write(Session session, String text) {
        Consumer<Session> command = commands.get(text.strip());
        if (command == null) {
            throw new ErrnoException(
                    Errno.EINVAL,
                    name + " takes " + commands.keySet().stream().sorted().collect(Collectors.joining(" or ")));
        }
        command.accept(session);
    }

    private static String error(Context context) {
        String error = context.session().error();
        return error.isEmpty() ? "" : error + "\n";
    }

    private static String files(Context context) {
        return Stream.concat(
                        Stream.of("token\ttype\tsize\tstatus\tname"),
                        context.session().files().stream().map(ControlFile::line))
                .collect(Collectors.joining("\n", "", "\n"));
    }

    private static String line(Listed entry) {
        String type = entry.kind() == Kind.DIRECTORY ? "dir" : "memfd";
        return entry.token() + "\t" + type + "\t" + entry.size() + "\t" + entry.status() + "\t" + entry.path();
    }

    private static String info(Context context) {
        Session session = context.session();
        Usage usage = session.usage();
        return String.join(
                        "\n",
                        "version " + INTERFACE_VERSION,
                        "session " + session.name(),
                        "backend " + session.backend(),
                        "preserve " + (session.preservesEach() ? "link" : "prepare"),
                        "state " + session.state(),
                        "cycle " + session.cycle(),
                        "entries " + usage.entries(),
                        "bytes " + usage.bytes(),
                        "size " + usage.maxBytes(),
                        "nr_inodes " + usage.maxEntries(),
                        "passthrough " + (context.passthrough().isOn() ? "yes" : "no"))
                + "\n";
    }
}
