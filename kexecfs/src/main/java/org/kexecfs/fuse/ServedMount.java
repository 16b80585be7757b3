package org.kexecfs.fuse;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import jnr.constants.platform.linux.Errno;
import org.kexecfs.keep.Shelf;
import org.kexecfs.luo.DeviceLiveUpdate;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.manifest.Name;
import org.kexecfs.mount.Anchor;
import org.kexecfs.mount.FuseMount;
import org.kexecfs.mount.MountOptions;
import org.kexecfs.mount.MountRecord;
import org.kexecfs.mount.MountViews;
import org.kexecfs.mount.OwnedFiles;
import org.kexecfs.mount.Parked;
import org.kexecfs.mount.Place;
import org.kexecfs.mount.SessionLock;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.ResourceLimits;
import org.kexecfs.posix.Time;
import org.kexecfs.session.Host;
import org.kexecfs.session.Opening;
import org.kexecfs.session.Session;
import org.kexecfs.session.Settings;
import org.kexecfs.session.State;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A session on a mount, and who serves it, wherever the mount is.
 *
 * <p>Life cycle: {@link #start} takes the session's lock, makes the mount and attaches it, opens the session, which
 * restores what the kernel before left, and serves it. The session comes as late as that because a restored one cannot
 * be put back: LUO frees what it holds when it is closed, so nothing that can fail may follow. Whoever looks into the
 * mount meanwhile waits. When nobody has the filesystem any more, mounted or open, the kernel says so: {@link #awaitEnd}
 * returns then, and the session has ended: LUO dropped what it held.
 */
final class ServedMount implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ServedMount.class);

    /** How many requests of one mount are served at once. */
    private static final int MOST_REQUESTS = 8;

    /** For what nobody will mount again. */
    private static final Path NOWHERE_ELSE = Path.of("/");

    /** How long the end of a mount that is out of sight is waited for. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    /** Nothing is cached: every process may write to the memory, and `self` means another file to each caller. */
    private static final List<String> LIBFUSE_OPTIONS = List.of(
            "direct_io",
            "hard_remove",
            "use_ino",
            "big_writes",
            "attr_timeout=0",
            "entry_timeout=0",
            "negative_timeout=0",
            "no_splice_read",
            "no_splice_write",
            "no_splice_move");

    private static volatile boolean openFilesRaised;

    private final Resources resources;

    /** Of these, what is on the shelf: to close it is to take it from there. */
    private final Resources ending;

    private final Session session;
    private final KexecFs filesystem;
    private final Shelf shelf;
    private final Place place;
    private final FuseMount mount;
    private final Optional<Anchor> anchor;
    private final CompletableFuture<Void> ended;

    private ServedMount(
            Resources resources,
            Resources ending,
            Session session,
            KexecFs filesystem,
            Shelf shelf,
            Place place,
            FuseMount mount,
            Optional<Anchor> anchor,
            FuseChannel channel) {
        this.resources = resources;
        this.ending = ending;
        this.session = session;
        this.filesystem = filesystem;
        this.shelf = shelf;
        this.place = place;
        this.mount = mount;
        this.anchor = anchor;
        this.ended = channel.ended().thenRun(this::end);
    }

    /** Mounts a session that ends with this process: see {@link KexecFsMount#mount}. */
    static ServedMount start(String name, Place place, MountOptions options) {
        return start(name, place, options, new MountRecord(name, NOWHERE_ELSE, NOWHERE_ELSE, ""), Shelf.none());
    }

    /**
     * Mounts a session and serves it: see {@link KexecFsMount#mount}.
     *
     * @param asked to be kept with it
     * @param shelf where it is kept. If there is a session already, that one is gone on with; and if that fails it stays there
     */
    static ServedMount start(String name, Place place, MountOptions options, MountRecord asked, Shelf shelf) {
        raiseOpenFiles();
        LibFuse fuse = LibFuse.load();
        LiveUpdate luo = luo(options);
        boolean left = Parked.hasSession(shelf);
        Resources resources = new Resources();
        // What ends the session ends it for good.
        Resources ending = new Resources();
        try {
            resources.add(SessionLock.take(name, options, place.told()));
            FuseMount mount = resources.add(FuseMount.create(name, options));
            OwnedFiles files = resources.add(OwnedFiles.open());
            resources.add(ending);
            Parked parked = ending.add(Parked.open(shelf, asked, options));
            Host host = new Host(parked.memory()::createFile, files, shelf);
            Opening opening = new Opening(luo, name, settings(options), host);
            opening.tidy();
            Optional<Anchor> anchor =
                    place.isSeen() ? Optional.of(resources.add(Anchor.park(shelf, mount.root()))) : Optional.empty();
            Optional<Fd> own = place.attach(mount);
            try {
                anchor.ifPresent(there -> there.mounted(own.orElseThrow()));
                Session session = ending.add(opening.open());
                Serving serving = serve(fuse, session, mount, own, anchor, options, resources);
                log.info("session {} mounted {}, {}, on {}", name, place.told(), session.state(), luo);
                if (luo.emulated()) {
                    log.warn("session {}: {} is no LUO; what it keeps survives an emulated kexec only", name, luo);
                }
                return new ServedMount(
                        resources,
                        ending,
                        session,
                        serving.filesystem(),
                        shelf,
                        place,
                        mount,
                        anchor,
                        serving.channel());
            } catch (RuntimeException e) {
                place.detach(mount);
                throw e;
            } finally {
                own.ifPresent(Fd::close);
            }
        } catch (RuntimeException e) {
            if (left) {
                log.error("session {} is left as it is, for another try: {}", name, e.getMessage());
                ending.forget();
            }
            resources.close();
            throw e;
        }
    }

    /** An entry is an open file, and a restore must not fail for the lack of one. Once for all mounts. */
    private static void raiseOpenFiles() {
        if (!openFilesRaised) {
            ResourceLimits.raiseOpenFiles();
            openFilesRaised = true;
        }
    }

    private static LiveUpdate luo(MountOptions options) {
        return options.emulate()
                .<LiveUpdate>map(EmulatedLiveUpdate::new)
                .orElseGet(() -> new DeviceLiveUpdate(options.device().toString()));
    }

    private static Settings settings(MountOptions options) {
        return new Settings(
                options.uid(),
                options.gid(),
                options.mode(),
                Libc.C.geteuid(),
                Libc.C.getegid(),
                options.preserve(),
                options.size(),
                options.inodes());
    }

    private record Serving(KexecFs filesystem, FuseChannel channel) {}

    private static Serving serve(
            LibFuse fuse,
            Session session,
            FuseMount mount,
            Optional<Fd> own,
            Optional<Anchor> anchor,
            MountOptions options,
            Resources resources) {
        ControlAttributes control = new ControlAttributes(
                options.controlUid().orElse(Libc.C.geteuid()),
                options.controlGid().orElse(Libc.C.getegid()),
                options.controlMode(),
                Time.now());
        StateWatch watch = new StateWatch(fuse);
        Passthrough passthrough = new Passthrough(mount.device());
        Rename2 rename2 = new Rename2();
        Validity validity = new Validity(mount.device());
        SocketName socket = new SocketName();
        MountViews views = mount.views(own.isEmpty() && !options.readOnly());
        Ioctls ioctls = new Ioctls(session, control, views);
        Shown shown = new Shown(session, control, passthrough);
        OpenFiles files = new OpenFiles(fuse, session, shown, watch, passthrough, validity, ioctls);
        KexecFs filesystem = new KexecFs(fuse, session, shown, rename2, socket, files);
        FuseChannel channel = resources.add(FuseChannel.start(
                mount.device(),
                filesystem,
                new Completion(passthrough, rename2, validity),
                LIBFUSE_OPTIONS,
                MOST_REQUESTS));
        resources.add(filesystem);
        session.onStateChange(watch::changed);
        // Closed before the channel, which waits for the end of the filesystem.
        anchor.map(resources::add)
                .ifPresent(parked -> resources.add(
                        ControlSocket.start(session, validity, views, socket, own.orElseThrow(), parked::unmounted)));
        return new Serving(filesystem, channel);
    }

    /** It was unmounted, and nobody has it any more. Where systemd unmounts everything that is no reason to lose it. */
    private void end() {
        switch (shelf.keep().coming()) {
            case KEXEC -> leave();
            case SOFT_REBOOT -> stay();
            case NOTHING -> {}
        }
        resources.close();
    }

    /** All stays on the shelf, but where it was mounted: that is for the new userspace to say. */
    private void stay() {
        Parked.forgetPlace(shelf);
        ending.forget();
        log.info("session {} stays with {}, {}", session.name(), shelf.keep(), session.state());
    }

    /** See {@link KexecFsMount#leave}. */
    synchronized void leave() {
        try {
            session.leave();
            ending.close();
            // It may be mounted still, and LUO has no mounts.
            anchor.ifPresent(Anchor::close);
            log.info("session {} is prepared, and left to {} for the next kernel", session.name(), shelf.keep());
        } catch (ErrnoException e) {
            log.error("session {} does not come through the kexec: {}", session.name(), e.getMessage());
        }
    }

    /** See {@link KexecFsMount#state}. */
    State state() {
        return session.state();
    }

    /** See {@link KexecFsMount#command}. */
    void command(String file, String word) {
        ControlFile control = ControlFile.named(Name.of(file))
                .orElseThrow(() -> new ErrnoException(Errno.ENOENT, "there is no control file " + file));
        filesystem.files().command(control, word);
    }

    /** The mount's root directory. */
    Fd root() {
        return mount.root();
    }

    /** The filesystem's number. */
    long device() {
        return mount.deviceNumber();
    }

    /** Completes when the mount has ended, and the session with it. */
    CompletableFuture<Void> ended() {
        return ended.copy();
    }

    /** Waits until the mount has ended; the session has ended then, too. */
    void awaitEnd() throws InterruptedException {
        try {
            ended.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    /** Takes the mount away. The session ends when nobody has a file in it open any more. */
    void unmount() {
        if (!ended.isDone()) {
            place.detach(mount);
        }
    }

    /** {@link #unmount}, and whoever has files open in the mount has them no more, as if this process had been killed. */
    void abort() {
        if (!ended.isDone()) {
            place.abort(mount);
        }
    }

    /**
     * Takes the mount away, and ends the session. Again is nothing.
     *
     * <p>Whoever has files open in the mount is waited for, but not for ever: after {@link #PATIENCE} this returns, and they
     * are served until the process ends.
     */
    @Override
    public void close() {
        unmount();
        try {
            ended.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            log.warn("session {}: files in it are still open; what they hold ends with this process", session.name());
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
