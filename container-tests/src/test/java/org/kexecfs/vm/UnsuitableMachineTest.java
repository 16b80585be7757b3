package org.kexecfs.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.containers.Host;

/** A machine that cannot be carried over: it is told so, runs on, and leaves nothing in the session. */
@TestInstance(Lifecycle.PER_CLASS)
class UnsuitableMachineTest {
    private static final int MIB = 8;

    /** Room for the RAM and for a state, as long as there is nothing else. */
    private static final String LIMIT = "size=9m";

    private final Host host = new Host();
    private VirtualMachine machine;

    @BeforeAll
    void mount() {
        host.mount("vm", LIMIT);
    }

    @BeforeEach
    void make() {
        machine = new VirtualMachine(host, MIB);
    }

    @AfterEach
    void end() {
        machine.close();
        host.sh("find vm -mindepth 1 ! -path 'vm/kexecfs.*' -delete");
    }

    @AfterAll
    void unmount() {
        host.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "memory-backend-ram,share=on",
                "memory-backend-ram,share=off",
                "memory-backend-memfd,share=off",
                "memory-backend-file,mem-path=vm/ram,share=off",
                "memory-backend-file,mem-path=elsewhere,share=on"
            })
    void ramThatIsNotTheSessionsIsRefused(String ram) {
        host.sh("truncate -s 8M vm/ram elsewhere");
        host.sh("sed -i s/,share=on// scripts/start-vm");
        machine.start(ram);

        machine.script("save-vm").failWith("or is not shared: it runs on, nothing was saved");

        assertEquals("ram", host.sh("ls vm | grep -v ^kexecfs"));
        assertTrue(machine.runs());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"memory-backend-ram,share=on", "memory-backend-ram,share=off", "memory-backend-memfd,share=off"})
    void ramThatCannotBeLinkedIsRefused(String ram) {
        host.sh("sed -i s/,share=on// scripts/start-vm");
        machine.start(ram);

        machine.script("link-ram").failWith("the RAM of this QEMU is not a shared memfd");

        assertEquals("", host.sh("ls vm | grep -v ^kexecfs || :"));
    }

    @Test
    void whenTheStateDoesNotFit_theMachineRunsOn() {
        machine.start("memory-backend-file,prealloc=on,mem-path=vm/ram");
        host.run("cat /dev/zero >vm/filler").failWith("No space left");

        machine.script("save-vm").failWith("could not be written");

        assertEquals("filler\nram", host.sh("ls vm | grep -v ^kexecfs"));
        assertTrue(machine.runs());
    }

    @Test
    void whenTheStateIsDamaged_theSessionKeepsItAndTheUpdateIsNotFinished() {
        String ram = "memory-backend-file,mem-path=vm/ram";
        machine.start(ram);
        machine.script("save-vm").succeed();
        machine.end();
        host.sh("cp vm/state whole && truncate -s 1000 vm/state && echo 1 >vm/kexecfs.prepare");
        host.kexec();
        host.mount("vm", LIMIT);
        machine.start(ram, "-incoming defer");

        machine.script("resume-vm").failWith("QEMU has ended");

        assertEquals("updated", host.sh("cat vm/kexecfs.state"));
        host.sh("cat whole >vm/state");
        machine.start(ram, "-incoming defer");
        machine.script("resume-vm").succeed();
        assertTrue(machine.runs());
    }
}
