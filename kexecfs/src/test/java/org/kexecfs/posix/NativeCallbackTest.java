package org.kexecfs.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.List;
import jnr.ffi.Pointer;
import org.junit.jupiter.api.Test;

class NativeCallbackTest {
    private static final NativeLibrary LIBC = NativeLibrary.open("libc.so.6");

    private final Pointer numbers = Fd.allocate(3 * Integer.BYTES);

    @Test
    void whatItIsGivenAndReturns_cGivesAndGets() {
        numbers.put(0, new int[] {7, -3, 5}, 0, 3);
        LIBC.call(
                "qsort",
                numbers,
                3L,
                (long) Integer.BYTES,
                NativeCallback.code(given -> Integer.compare(
                        given.pointer(0).getInt(0), given.pointer(1).getInt(0))));
        int[] sorted = new int[3];
        numbers.get(0, sorted, 0, 3);
        assertEquals(List.of(-3, 5, 7), List.of(sorted[0], sorted[1], sorted[2]));
    }

    /** twalk_r(3): visit(node, which, closure), from the root on. */
    @Test
    void nullIsNoPointer_andAnIntIsOne() {
        Pointer root = Fd.allocate(Long.BYTES);
        Pointer compare = NativeCallback.code(given -> 0);
        LIBC.call("tsearch", numbers, root, compare);
        List<Integer> kinds = new ArrayList<>();
        LIBC.call(
                "twalk_r",
                root.getPointer(0),
                NativeCallback.code(given -> {
                    assertNull(given.pointer(2));
                    kinds.add(given.integer(1));
                    return 0;
                }),
                null);
        int leaf = 3;
        assertEquals(List.of(leaf), kinds);
    }
}
