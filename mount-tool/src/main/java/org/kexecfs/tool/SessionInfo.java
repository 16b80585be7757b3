package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.kexecfs.mount.DeadMounts;
import org.kexecfs.mount.MountTable.MountedSession;

/**
 * What a mount says of itself in {@code kexecfs.info}.
 *
 * @param mount where
 * @param fields its lines; of a mount that says nothing only {@code state}: {@code dead}, {@code hung}, {@code unknown}
 * @param trouble why it could not be asked, and what can be done about it; empty for one that is dead, too, for that is known
 */
record SessionInfo(MountedSession mount, Map<String, String> fields, Optional<String> trouble) {
    private static final String FILE = "kexecfs.info";

    /**
     * Of one mount.
     *
     * @throws ToolException with {@link Exit#FAILED} if it cannot be asked, or does not answer
     */
    static SessionInfo of(MountedSession mount) {
        SessionInfo info = of(List.of(mount)).getFirst();
        info.trouble().ifPresent(words -> {
            throw new ToolException(Exit.FAILED, words);
        });
        return info;
    }

    /** Of each of some mounts, in their order: none that does not answer keeps the others. */
    static List<SessionInfo> of(List<MountedSession> mounts) {
        Map<Path, Question.Said> said =
                Question.ask(mounts.stream().map(SessionInfo::file).toList());
        Map<Long, Server> servers = said.containsValue(new Question.Silent()) ? Server.byDevice() : Map.of();
        return mounts.stream()
                .map(mount -> of(mount, said.get(file(mount)), servers))
                .toList();
    }

    private static Path file(MountedSession mount) {
        return mount.directory().resolve(FILE);
    }

    private static SessionInfo of(MountedSession mount, Question.Said said, Map<Long, Server> servers) {
        return switch (said) {
            case Question.Answered answer -> new SessionInfo(mount, parse(answer.text()), Optional.empty());
            case Question.Dead() -> new SessionInfo(mount, Map.of("state", "dead"), Optional.empty());
            case Question.Refused refusal -> silent(mount, "unknown", " cannot be asked: " + refusal.words());
            case Question.Silent() ->
                silent(
                        mount,
                        "hung",
                        " does not answer: "
                                + Optional.ofNullable(servers.get(mount.device()))
                                        .map(server -> "it is served by " + server.silence())
                                        .orElse(
                                                "who serves it is not to be seen from here; 'umount -l' takes the mount away"));
        };
    }

    private static SessionInfo silent(MountedSession mount, String state, String why) {
        return new SessionInfo(mount, Map.of("state", state), Optional.of(told(mount) + why));
    }

    private static String told(MountedSession mount) {
        return Table.plain(mount.session()) + " at "
                + Table.plain(mount.directory().toString());
    }

    /** Whether the process that served the mount is gone: all that can be done with it is to unmount it. */
    static boolean isDead(Path directory) {
        return DeadMounts.isDead(directory);
    }

    boolean isDead() {
        return state().equals("dead");
    }

    /** {@code key value} lines. A key that this version does not know is kept. */
    static Map<String, String> parse(String text) {
        Map<String, String> fields = new LinkedHashMap<>();
        for (String line : text.lines().toList()) {
            int space = line.indexOf(' ');
            if (space > 0) {
                fields.put(line.substring(0, space), line.substring(space + 1));
            }
        }
        return fields;
    }

    String state() {
        return fields.getOrDefault("state", "unknown");
    }

    /** A field, or {@code -}. */
    String shown(String key) {
        return fields.getOrDefault(key, "-");
    }

    /** A number, where the mount tells it. */
    Optional<Long> number(String key) {
        return Optional.ofNullable(fields.get(key)).map(Long::valueOf);
    }
}
