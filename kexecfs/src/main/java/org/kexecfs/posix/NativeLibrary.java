package org.kexecfs.posix;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.Invoker;
import com.kenai.jffi.Library;
import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.Type;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import jnr.ffi.Pointer;

/**
 * A shared library whose functions are called by name, through what jnr-ffi is built on: nothing is generated for them. Each
 * takes up to six integers and pointers, in registers on the platforms of LUO, and returns one. errno is kept for {@code
 * Runtime.getLastError}. Safe for use by several threads.
 */
public final class NativeLibrary {
    private static final Invoker INVOKER = Invoker.getInstance();
    private static final MemoryIO MEMORY = MemoryIO.getInstance();
    private static final int MOST_ARGUMENTS = 6;

    /** How so many arguments are passed. */
    private static final CallContext[] CONTEXTS = new CallContext[MOST_ARGUMENTS + 1];

    static {
        for (int count = 0; count <= MOST_ARGUMENTS; count++) {
            Type[] arguments = new Type[count];
            Arrays.fill(arguments, Type.SINT64);
            CONTEXTS[count] = CallContext.getCallContext(Type.SINT64, arguments, CallingConvention.DEFAULT, true);
        }
    }

    private static final int RTLD_LAZY = 1;

    private final String file;
    private final Library library;
    private final Map<String, Long> addresses = new ConcurrentHashMap<>();

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
        return callAt(address(function), arguments);
    }

    /** {@link #call} of a function of whatever library that one has a pointer to. */
    public static long callAt(long address, Object... arguments) {
        long[] words = new long[MOST_ARGUMENTS];
        for (int i = 0; i < arguments.length; i++) {
            words[i] = word(arguments[i]);
        }
        long result = call(CONTEXTS[arguments.length], address, arguments.length, words);
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i] instanceof String || arguments[i] instanceof byte[]) {
                MEMORY.freeMemory(words[i]);
            }
        }
        // Memory that nobody refers to any more is freed.
        Reference.reachabilityFence(arguments);
        return result;
    }

    private static long call(CallContext context, long address, int count, long[] words) {
        return switch (count) {
            case 0 -> INVOKER.invokeN0(context, address);
            case 1 -> INVOKER.invokeN1(context, address, words[0]);
            case 2 -> INVOKER.invokeN2(context, address, words[0], words[1]);
            case 3 -> INVOKER.invokeN3(context, address, words[0], words[1], words[2]);
            case 4 -> INVOKER.invokeN4(context, address, words[0], words[1], words[2], words[3]);
            case 5 -> INVOKER.invokeN5(context, address, words[0], words[1], words[2], words[3], words[4]);
            default -> INVOKER.invokeN6(context, address, words[0], words[1], words[2], words[3], words[4], words[5]);
        };
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

    private long address(String function) {
        Long known = addresses.get(function);
        return known != null ? known : addresses.computeIfAbsent(function, this::find);
    }

    private long find(String function) {
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
        return address;
    }
}
