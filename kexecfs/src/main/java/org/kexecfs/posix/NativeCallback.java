package org.kexecfs.posix;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.Closure;
import com.kenai.jffi.ClosureManager;
import com.kenai.jffi.Type;
import java.util.Arrays;
import jnr.ffi.Pointer;

/**
 * A function that C calls, of up to six integers and pointers, which returns an int or nothing: what {@link NativeFunction} is in the
 * other direction. Nothing is generated for it; the classes that jnr-ffi makes for each shape of a callback took a third of
 * the time that kexecfsd needs to start.
 */
@FunctionalInterface
public interface NativeCallback {
    /**
     * Is called.
     *
     * @param arguments valid until this returns
     * @return what C is to get; nothing may be thrown
     */
    int call(Arguments arguments);

    /** The code that C calls. It stays for good, and so does {@code callback}. */
    static Pointer code(NativeCallback callback) {
        Closure.Handle handle = ClosureManager.getInstance()
                .newClosure(buffer -> buffer.setIntReturn(callback.call(new Arguments(buffer))), Arguments.SIX);
        handle.setAutoRelease(false);
        return Pointer.wrap(Libc.RUNTIME, handle.getAddress());
    }

    /** What a function was called with. */
    final class Arguments {
        /** As many as are passed in registers: so a function may be called with fewer, and does not look at what is in the others. */
        private static final CallContext SIX =
                CallContext.getCallContext(Type.SINT32, words(), CallingConvention.DEFAULT, false);

        private final Closure.Buffer words;

        private Arguments(Closure.Buffer words) {
            this.words = words;
        }

        private static Type[] words() {
            Type[] words = new Type[NativeFunction.MOST_ARGUMENTS];
            Arrays.fill(words, Type.SINT64);
            return words;
        }

        /** The one at {@code index}, from 0, which is a long, or as long. */
        public long word(int index) {
            return words.getLong(index);
        }

        /** That which is an int. */
        public int integer(int index) {
            return (int) words.getLong(index);
        }

        /** That which is a pointer; null if it is NULL. */
        public Pointer pointer(int index) {
            long address = words.getLong(index);
            return address == 0 ? null : Pointer.wrap(Libc.RUNTIME, address);
        }
    }
}
