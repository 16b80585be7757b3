package org.kexecfs.luo;

import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.kexecfs.luo.Case.AcrossKexec;
import org.kexecfs.luo.Case.Bench;
import org.kexecfs.luo.Case.Plain;

/** The {@link Contract} on the emulation. */
class EmulatedContractTest {
    @TempDir
    private Path temporary;

    @TestFactory
    Stream<DynamicTest> theEmulationDoesWhatTheKernelDoes() {
        return Contract.cases().stream()
                .map(one -> dynamicTest(one.name(), () -> {
                    EmulatedLiveUpdate luo =
                            new EmulatedLiveUpdate(temporary.resolve(one.name().replace('/', '_')));
                    switch (one) {
                        case Plain plain -> run(plain, luo);
                        case AcrossKexec across -> run(across, luo);
                    }
                }));
    }

    private static void run(Plain plain, EmulatedLiveUpdate luo) throws Exception {
        try (Bench bench = new Bench(luo, plain.name())) {
            plain.run().run(bench);
        }
    }

    private static void run(AcrossKexec across, EmulatedLiveUpdate luo) throws Exception {
        try (Bench before = new Bench(luo, across.name());
                Bench after = new Bench(luo, across.name())) {
            across.before().run(before);
            luo.kexec();
            across.after().run(after);
        }
    }

    /** As the device has it: one kexec carries the sessions of all cases. */
    @Test
    void allCasesGoOverOneKexec() {
        EmulatedLiveUpdate luo = new EmulatedLiveUpdate(temporary.resolve("all"));
        Deque<Bench> open = new ArrayDeque<>();
        try {
            for (Case one : Contract.cases()) {
                if (one instanceof AcrossKexec across) {
                    open.push(new Bench(luo, one.name()));
                    across.before().run(open.peek());
                }
            }
            luo.kexec();
            for (Case one : Contract.cases()) {
                if (one instanceof AcrossKexec across) {
                    open.push(new Bench(luo, one.name()));
                    across.after().run(open.peek());
                }
            }
        } finally {
            open.forEach(Bench::close);
        }
    }
}
