package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** An entry of {@link MountModel}. */
final class ModelEntry {
    /** A time that the clock has set, and so the model does not know. */
    static final long UNKNOWN = -1;

    /** Memory: what all names, open files and memfds of it share. */
    static final class Content {
        byte[] bytes = {};
        long modified = UNKNOWN;
        int frozenSize;
        long frozenModified = UNKNOWN;

        void resize(long size) {
            bytes = Arrays.copyOf(bytes, (int) size);
            modified = UNKNOWN;
        }

        void put(long at, byte[] what) {
            if (at + what.length > bytes.length) {
                resize(at + what.length);
            }
            System.arraycopy(what, 0, bytes, (int) at, what.length);
            modified = UNKNOWN;
            frozenModified = UNKNOWN;
        }

        /** fallocate(2) of a tmpfs: false if it does not know the mode. */
        boolean allocate(int mode, long offset, long length) {
            if ((mode & Calls.FALLOC_FL_ZERO_RANGE) != 0) {
                return false;
            }
            if ((mode & Calls.FALLOC_FL_PUNCH_HOLE) != 0) {
                int end = (int) Math.min(offset + length, bytes.length);
                if (end > offset) {
                    put(offset, new byte[end - (int) offset]);
                }
            } else if (mode == 0 && offset + length > bytes.length) {
                resize(offset + length);
            }
            modified = UNKNOWN;
            frozenModified = UNKNOWN;
            return true;
        }

        Content copy() {
            Content copy = new Content();
            copy.bytes = bytes.clone();
            return copy;
        }
    }

    final boolean directory;
    Content content;
    int mode;
    int uid;
    int gid;
    String status = "linked";

    /** With preserve=link: LUO has it now, and has had it. */
    boolean held;

    boolean wasHeld;
    long directoryModified = UNKNOWN;
    final Map<String, String> xattrs = new TreeMap<>();

    ModelEntry(boolean directory, Content content, int mode) {
        this.directory = directory;
        this.content = content;
        this.mode = mode;
    }

    boolean isLost() {
        return !directory && (status.equals("missing") || status.startsWith("error"));
    }

    void claim() {
        if (status.equals("restored")) {
            status = "claimed";
        }
    }
}
