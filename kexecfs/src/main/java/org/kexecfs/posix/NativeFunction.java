package org.kexecfs.posix;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.Invoker;
import com.kenai.jffi.Type;
import java.util.Arrays;

/**
 * A function in C of up to six integers and pointers, which returns one or nothing. errno is kept for {@code
 * Runtime.getLastError}. Whoever passes the address of memory that is freed with its {@link jnr.ffi.Pointer} keeps that reachable
 * until the call returns. Safe for use by several threads.
 *
 * @param address where it is
 */
public record NativeFunction(long address) {
    static final int MOST_ARGUMENTS = 6;

    private static final Invoker INVOKER = Invoker.getInstance();

    /** How so many arguments are passed. */
    private static final CallContext[] CONTEXTS = new CallContext[MOST_ARGUMENTS + 1];

    static {
        for (int count = 0; count <= MOST_ARGUMENTS; count++) {
            Type[] arguments = new Type[count];
            Arrays.fill(arguments, Type.SINT64);
            CONTEXTS[count] = CallContext.getCallContext(Type.SINT64, arguments, CallingConvention.DEFAULT, true);
        }
    }

    private static final CallContext NONE = CONTEXTS[0];
    private static final CallContext THREE = CONTEXTS[3];
    private static final CallContext FIVE = CONTEXTS[5];

    /** Calls it; of what is shorter than a long the upper bits are undefined. */
    public long call() {
        return INVOKER.invokeN0(NONE, address);
    }

    /** {@link #call()} with three arguments. */
    public long call(long first, long second, long third) {
        return INVOKER.invokeN3(THREE, address, first, second, third);
    }

    /** {@link #call()} with five arguments. */
    public long call(long first, long second, long third, long fourth, long fifth) {
        return INVOKER.invokeN5(FIVE, address, first, second, third, fourth, fifth);
    }

    /**
     * {@link #call()} with the first of {@code words} as arguments.
     *
     * @param words at least {@value #MOST_ARGUMENTS}
     */
    long call(int count, long[] words) {
        CallContext context = CONTEXTS[count];
        return switch (count) {
            case 0 -> call();
            case 1 -> INVOKER.invokeN1(context, address, words[0]);
            case 2 -> INVOKER.invokeN2(context, address, words[0], words[1]);
            case 3 -> call(words[0], words[1], words[2]);
            case 4 -> INVOKER.invokeN4(context, address, words[0], words[1], words[2], words[3]);
            case 5 -> call(words[0], words[1], words[2], words[3], words[4]);
            default -> INVOKER.invokeN6(context, address, words[0], words[1], words[2], words[3], words[4], words[5]);
        };
    }
}
