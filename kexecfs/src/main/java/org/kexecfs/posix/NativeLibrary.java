package org.kexecfs.posix;

import com.kenai.jffi.Library;
import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jnr.ffi.Pointer;

/**
 * A shared library whose functions are called by name, through what jnr-ffi is built on: nothing is generated for them
 * ({@link NativeFunction}). Safe for use by several threads.
 */
public final class NativeLibrary {
    private static final MemoryIO MEMORY = MemoryIO.getInstance();
    private static final int RTLD_LAZY = 1;

    private final String file;
    private final Library library;
    private final Map<String, NativeFunction> functions = new ConcurrentHashMap<>();

    private NativeLibrary(String file, Library library) {
        this.file = file;
        this.library = library;
    }

    /**
     * Loads a library, for good.
     *
     * @param file its soname
     * @throws UnsatisfiedLinkError if there is none, with what the dynamic linker says
     */
    public static NativeLibrary open(String file) {
        Library library = Library.openLibrary(file, Library.LAZY | Library.GLOBAL);
        if (library == null) {
            throw new UnsatisfiedLinkError(Library.getLastError());
        }
        return new NativeLibrary(file, library);
    }

    /**
     * Calls a function.
     *
     * @param function its name; {@code NAME@VERSION} of one of which the library has several versions
     * @param arguments up to six of int, short, long, {@link Pointer} to memory outside the heap, null, and, copied for the
     *     time of the call, String (in UTF-8) and byte[]
     * @return what it returns: of what is shorter than a long the upper bits are undefined
     * @throws UnsatisfiedLinkError if the library has no such function
     */
    public long call(String function, Object... arguments) {
        return call(function(function), arguments);
    }

    /** {@link #call(String, Object...)} of a function of whatever library. */
    public static long call(NativeFunction function, Object... arguments) {
        long[] words = new long[NativeFunction.MOST_ARGUMENTS];
        for (int i = 0; i < arguments.length; i++) {
            words[i] = word(arguments[i]);
        }
        long result = function.call(arguments.length, words);
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i] instanceof String || arguments[i] instanceof byte[]) {
                MEMORY.freeMemory(words[i]);
            }
        }
        // Memory that nobody refers to any more is freed.
        Reference.reachabilityFence(arguments);
        return result;
    }

    private static long word(Object argument) {
        // No switch: it would be linked at run time, which the start-up cache does not keep.
        if (argument instanceof Number number) {
            return number.longValue();
        }
        if (argument instanceof Pointer pointer && pointer.isDirect()) {
            return pointer.address();
        }
        if (argument == null) {
            return 0;
        }
        if (argument instanceof byte[] bytes) {
            return copy(bytes);
        }
        if (argument instanceof String text) {
            return copy(Fd.utf8(text.concat("\0")));
        }
        throw new IllegalArgumentException("no argument of a function in C: " + argument);
    }

    private static long copy(byte[] bytes) {
        long memory = MEMORY.allocateMemory(bytes.length, false);
        MEMORY.putByteArray(memory, bytes, 0, bytes.length);
        return memory;
    }

    /**
     * A function, for who calls it so often that to look for it, and to look what its arguments are, would tell.
     *
     * @throws UnsatisfiedLinkError as {@link #call(String, Object...)}
     */
    public NativeFunction function(String name) {
        NativeFunction known = functions.get(name);
        return known != null ? known : functions.computeIfAbsent(name, this::find);
    }

    private NativeFunction find(String function) {
        int version = function.indexOf('@');
        long address = version < 0
                ? library.getSymbolAddress(function)
                : Libc.C.dlvsym(
                        Libc.C.dlopen(file, RTLD_LAZY),
                        function.substring(0, version),
                        function.substring(version + 1));
        if (address == 0) {
            throw new UnsatisfiedLinkError(file + " has no " + function);
        }
        return new NativeFunction(address);
    }
}
