package org.kexecfs.log;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.FileId;
import org.kexecfs.posix.FileStatus;
import org.slf4j.ILoggerFactory;
import org.slf4j.IMarkerFactory;
import org.slf4j.event.Level;
import org.slf4j.helpers.BasicMarkerFactory;
import org.slf4j.helpers.NOPMDCAdapter;
import org.slf4j.spi.MDCAdapter;
import org.slf4j.spi.SLF4JServiceProvider;

/** SLF4J's way to {@link StderrLog}. */
public final class Provider implements SLF4JServiceProvider {
    /** The system property that says from which level on: info, unless it is {@code warn}. Read when the first message may come. */
    public static final String LEAST = "kexecfs.log";

    /** The system property that names a file to write to, in place of stderr. Read then, too. */
    public static final String FILE = "kexecfs.log.file";

    /** Bytes of a log file. */
    private static final long MOST = 4 << 20;

    private final IMarkerFactory markers = new BasicMarkerFactory();
    private final MDCAdapter context = new NOPMDCAdapter();
    private ILoggerFactory loggers;

    @Override
    public void initialize() {
        boolean journal = isJournal(System.getenv("JOURNAL_STREAM"));
        Level least = System.getProperty(LEAST, "info").equals("warn") ? Level.WARN : Level.INFO;
        PrintStream out = Optional.ofNullable(System.getProperty(FILE))
                .map(file -> new PrintStream(new LogFile(Path.of(file), MOST), true, StandardCharsets.UTF_8))
                .orElse(System.err);
        loggers = name -> new StderrLog(name, out, journal, isOurs(name) ? least : Level.WARN);
    }

    /** What a library tells of its own life is not for our users. */
    private static boolean isOurs(String logger) {
        return logger.startsWith("org.kexecfs.");
    }

    /**
     * Whether stderr is systemd's journal (systemd.exec(5)).
     *
     * @param stream JOURNAL_STREAM of the environment, DEVICE:INODE; null if it is not set
     */
    static boolean isJournal(String stream) {
        if (stream == null) {
            return false;
        }
        try {
            FileId stderr = FileStatus.of("/proc/self/fd/2").id();
            return stream.equals(number(stderr.device()) + ":" + stderr.inode());
        } catch (ErrnoException e) {
            return false;
        }
    }

    /** A device's number as st_dev has it (makedev(3)). */
    private static long number(long device) {
        long major = device >>> 32;
        long minor = device & 0xffffffffL;
        return minor & 0xff | (major & 0xfff) << 8 | (minor & ~0xffL) << 12;
    }

    @Override
    public ILoggerFactory getLoggerFactory() {
        return loggers;
    }

    @Override
    public IMarkerFactory getMarkerFactory() {
        return markers;
    }

    @Override
    public MDCAdapter getMDCAdapter() {
        return context;
    }

    @Override
    public String getRequestedApiVersion() {
        return "2.0.99";
    }
}
