package org.kexecfs.fuse;

import java.util.Arrays;
import java.util.Optional;

/**
 * The ioctls of src/main/c/kexecfs.h: number and layout, one to one.
 *
 * <p>FUSE carries an ioctl whose number says how many bytes go which way (ioctl(2), _IOW and the like), and the kernel
 * copies them.
 */
enum Ioctl {
    PRESERVE(Way.IN, 0, 264, ControlFile.PRESERVE),
    PREPARE(Way.NONE, 1, 0, ControlFile.PREPARE),
    CANCEL(Way.NONE, 2, 0, ControlFile.CANCEL),
    FINISH(Way.IN, 3, 8, ControlFile.FINISH),
    GET_STATE(Way.OUT, 4, 8, ControlFile.STATE),
    GET_INFO(Way.OUT, 5, 96, ControlFile.INFO);

    /** Where its argument goes; the bits that a number begins with. */
    enum Way {
        NONE(0),
        IN(1),
        OUT(2);

        private final int bits;

        Way(int bits) {
            this.bits = bits;
        }
    }

    private static final int TYPE = 0xBE;

    /** Offsets in the structs. */
    static final int SIZE = 0;

    static final int PRESERVE_FD = 4;
    static final int PRESERVE_NAME = 8;
    static final int LENGTH_OF_NAME = 256;
    static final int FINISH_FLAGS = 4;
    static final int STATE_STATE = 4;
    static final int INFO_VERSION = 4;
    static final int INFO_CYCLE = 8;
    static final int INFO_ENTRIES = 16;
    static final int INFO_BYTES = 24;
    static final int INFO_SESSION = 32;

    static final int FINISH_STRICT = 1;
    static final int FINISH_RELEASE = 2;

    private final Way way;
    private final int number;
    private final int size;
    private final ControlFile file;

    Ioctl(Way way, int sequence, int size, ControlFile file) {
        this.way = way;
        this.number = way.bits << 30 | size << 16 | TYPE << 8 | sequence;
        this.size = size;
        this.file = file;
    }

    /** The ioctl of a number, if it is ours. */
    static Optional<Ioctl> numbered(int number) {
        return Arrays.stream(values()).filter(ioctl -> ioctl.number == number).findFirst();
    }

    int number() {
        return number;
    }

    /** sizeof its struct, 0 if it takes none. */
    int size() {
        return size;
    }

    Way way() {
        return way;
    }

    /** The control file that does the same. */
    ControlFile file() {
        return file;
    }
}
