package org.kexecfs.fuse;

import jnr.ffi.Pointer;
import org.kexecfs.manifest.Kind;
import org.kexecfs.posix.FileStatus;
import org.kexecfs.posix.Time;
import org.kexecfs.session.EntryPath;
import org.kexecfs.session.Session;
import org.kexecfs.session.Stat;
import org.kexecfs.session.Usage;
import ru.serce.jnrfuse.struct.FileStat;
import ru.serce.jnrfuse.struct.Statvfs;
import ru.serce.jnrfuse.struct.Timespec;

/**
 * What stat(2) and statfs(2) show of a mount.
 *
 * <p>Inode numbers: an entry has its token's, one higher so that the root has 1; kexecfs's own begin at {@link #OWN_INODES}.
 */
final class Shown {
    private static final long OWN_INODES = 1L << 62;
    private static final int SOURCES = 0;
    private static final int SELF = 1;
    private static final int PROCESS = 2;
    private static final int SOURCE = 3;
    private static final int SOCKET = 4;
    private static final int CONTROL = 16;

    private static final int NAME_MAX = 255;
    private static final int BLOCK = 4096;

    /** A thread's for all that it answers: to make one, with an object for each field, takes longer than to fill it. */
    private static final ThreadLocal<FileStat> STATS = ThreadLocal.withInitial(() -> new FileStat(LibFuse.runtime()));

    private final Session session;
    private final ControlAttributes control;
    private final Passthrough passthrough;

    Shown(Session session, ControlAttributes control, Passthrough passthrough) {
        this.session = session;
        this.control = control;
        this.passthrough = passthrough;
    }

    /** The struct stat at an address, until this thread asks for the next one. */
    static FileStat stat(Pointer status) {
        FileStat stat = STATS.get();
        stat.useMemory(status);
        return stat;
    }

    void entry(FileStat stat, Stat of) {
        int type = of.kind() == Kind.DIRECTORY ? FileStatus.S_IFDIR : FileStatus.S_IFREG;
        stat.st_ino.set(of.token() + 1);
        stat.st_mode.set(type | of.mode());
        stat.st_nlink.set(of.links());
        stat.st_uid.set(of.uid());
        stat.st_gid.set(of.gid());
        stat.st_size.set(of.size());
        stat.st_blocks.set(of.blocks());
        stat.st_blksize.set(BLOCK);
        time(stat.st_atim, of.accessed());
        time(stat.st_mtim, of.modified());
        time(stat.st_ctim, of.changed());
    }

    void control(FileStat stat, ControlFile file) {
        Permissions p = control.of(file, session.stat(EntryPath.ROOT));
        own(stat, FileStatus.S_IFREG | p.mode(), CONTROL + file.ordinal(), p.uid(), p.gid());
        // sendfile(2) and splice(2) stop at this size, direct_io or not.
        stat.st_size.set(file.isCommand() ? 0 : file.read(new ControlFile.Context(session, passthrough)).length);
    }

    void socket(FileStat stat) {
        own(stat, FileStatus.S_IFSOCK | SocketName.MODE, SOCKET);
    }

    void sources(FileStat stat) {
        own(stat, FileStatus.S_IFDIR | 0555, SOURCES);
    }

    void self(FileStat stat, String to) {
        own(stat, FileStatus.S_IFLNK | 0777, SELF);
        stat.st_size.set(to.length());
    }

    void process(FileStat stat) {
        own(stat, FileStatus.S_IFDIR | 0555, PROCESS);
    }

    void source(FileStat stat, LinkSources.Source source) {
        own(stat, FileStatus.S_IFREG | PreserveCommand.MODE, SOURCE, source.uid(), source.gid());
        stat.st_size.set(source.size());
    }

    private void own(FileStat stat, int mode, int number) {
        own(stat, mode, number, control.uid(), control.gid());
    }

    private void own(FileStat stat, int mode, int number, int uid, int gid) {
        stat.st_ino.set(OWN_INODES + number);
        stat.st_mode.set(mode);
        stat.st_nlink.set((mode & FileStatus.S_IFMT) == FileStatus.S_IFDIR ? 2 : 1);
        stat.st_uid.set(uid);
        stat.st_gid.set(gid);
        time(stat.st_atim, control.since());
        time(stat.st_mtim, control.since());
        time(stat.st_ctim, control.since());
    }

    private static void time(Timespec to, Time time) {
        to.tv_sec.set(time.seconds());
        to.tv_nsec.set(time.nanoseconds());
    }

    /** struct statvfs: blocks are bytes against size=, files are entries against nr_inodes=. */
    void usage(Statvfs status) {
        Usage usage = session.usage();
        long blocks = usage.maxBytes() / BLOCK;
        long free = Math.max(0, blocks - (usage.bytes() + BLOCK - 1) / BLOCK);
        long freeEntries = Math.max(0, usage.maxEntries() - usage.entries());
        status.f_bsize.set(BLOCK);
        status.f_frsize.set(BLOCK);
        status.f_blocks.set(blocks);
        status.f_bfree.set(free);
        status.f_bavail.set(free);
        status.f_files.set(usage.maxEntries());
        status.f_ffree.set(freeEntries);
        status.f_favail.set(freeEntries);
        status.f_namemax.set(NAME_MAX);
    }
}
