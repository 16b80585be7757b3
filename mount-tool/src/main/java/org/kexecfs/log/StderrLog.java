package org.kexecfs.log;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Marker;
import org.slf4j.event.Level;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;

/**
 * Messages on stderr. If that is systemd's journal, each line begins with its priority, as sd-daemon(3)
 * has it, and the journal knows the time; else with the time, in UTC, and the level.
 */
final class StderrLog extends LegacyAbstractLogger {
    private static final long serialVersionUID = 1L;

    private final transient PrintStream stderr;
    private final boolean journal;
    private final Level least;

    StderrLog(String name, PrintStream stderr, boolean journal, Level least) {
        this.name = name;
        this.stderr = stderr;
        this.journal = journal;
        this.least = least;
    }

    @Override
    public boolean isTraceEnabled() {
        return false;
    }

    @Override
    public boolean isDebugEnabled() {
        return false;
    }

    @Override
    public boolean isInfoEnabled() {
        return least == Level.INFO;
    }

    @Override
    public boolean isWarnEnabled() {
        return true;
    }

    @Override
    public boolean isErrorEnabled() {
        return true;
    }

    @Override
    protected String getFullyQualifiedCallerName() {
        return null;
    }

    @Override
    protected void handleNormalizedLoggingCall(
            Level level, Marker marker, String pattern, Object[] arguments, Throwable thrown) {
        String message = MessageFormatter.basicArrayFormat(pattern, arguments)
                + Optional.ofNullable(thrown).map(StderrLog::trace).orElse("");
        String start = journal
                ? priority(level)
                : OffsetDateTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.MILLIS) + " " + level + " ";
        // A message of several lines is so many to the journal, and one to people.
        String text =
                journal ? message.lines().map(line -> start + line).collect(Collectors.joining("\n")) : start + message;
        stderr.print(text + "\n");
    }

    private static String trace(Throwable thrown) {
        StringWriter trace = new StringWriter();
        thrown.printStackTrace(new PrintWriter(trace, true));
        return "\n" + trace.toString().strip();
    }

    private static String priority(Level level) {
        return switch (level) {
            case ERROR -> "<3>";
            case WARN -> "<4>";
            case INFO -> "<6>";
            case DEBUG, TRACE -> "<7>";
        };
    }
}
