package org.kexecfs.luo;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.zip.CRC32;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;

/** One statement about LUO, and how it is seen to hold. */
sealed interface Case {
    /** The statement. */
    String name();

    /** One that a single kernel shows. */
    record Plain(String name, Step run) implements Case {}

    /**
     * One that takes a kexec: what is done before, and what is seen after, in another process if LUO is the kernel's.
     * The sessions of {@code before} stay open until the kexec.
     */
    record AcrossKexec(String name, Step before, Step after) implements Case {}

    /** A part of a case. */
    interface Step {
        void run(Bench bench);
    }

    /** What a step works with. What it makes here is closed when the bench is. */
    final class Bench implements AutoCloseable {
        private final LiveUpdate luo;
        private final String name;
        private final Deque<AutoCloseable> made = new ArrayDeque<>();

        /** A bench for the case {@code name}: two cases have no session in common. */
        Bench(LiveUpdate luo, String name) {
            CRC32 crc = new CRC32();
            crc.update(Fd.utf8(name));
            this.luo = luo;
            this.name = "contract-" + Long.toHexString(crc.getValue());
        }

        LiveUpdate luo() {
            return luo;
        }

        /** A session's name of this case's own. */
        String name(String suffix) {
            return name + suffix;
        }

        LiveUpdateSession create() {
            return create("");
        }

        LiveUpdateSession create(String suffix) {
            return keep(luo.createSession(name(suffix)));
        }

        LiveUpdateSession retrieve() {
            return retrieve("");
        }

        LiveUpdateSession retrieve(String suffix) {
            return keep(luo.retrieveSession(name(suffix)));
        }

        /** A memfd with these bytes, positioned at 0. */
        Fd memfd(byte[] contents) {
            Fd memfd = keep(Fd.memfd("contract"));
            memfd.pwrite(contents, 0);
            return memfd;
        }

        Fd memfd() {
            return memfd(Fd.utf8("some bytes"));
        }

        <T extends AutoCloseable> T keep(T resource) {
            made.push(resource);
            return resource;
        }

        @Override
        public void close() {
            while (!made.isEmpty()) {
                try {
                    made.pop().close();
                } catch (ErrnoException e) {
                    throw e;
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }
        }
    }
}
