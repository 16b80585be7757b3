package org.kexecfs.vm;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.kexecfs.containers.Host;
import org.kexecfs.guest.Accelerator;
import org.kexecfs.guest.GuestKernel;

/** A virtual machine goes on after an update where it was before, by the scripts of kexecfs/doc/vm.md. */
class VirtualMachineTest {
    private static final int MIB = 96;
    private static final int STATE_AT_MOST = 4 << 20;

    private final Host host = new Host();
    private Path session;
    private VirtualMachine machine;

    @BeforeEach
    void boot() throws Exception {
        session = host.path("vm");
        Path kernel = GuestKernel.build();
        machine = VirtualMachine.counting(
                host, MIB, kernel, Accelerator.best(kernel).word());
    }

    @AfterEach
    void end() {
        try {
            machine.close();
        } finally {
            host.close();
        }
    }

    @Test
    void shellcheckIsContentWithEachScript() {
        assertEquals("6", host.sh("ls scripts | wc -l"));
        assertEquals("", host.sh("shellcheck scripts/*"));
    }

    @Test
    void aMachineWhoseRamIsAFileOfTheSessionGoesOn() {
        String ram = "memory-backend-file,mem-path=" + session + "/ram";
        host.mount("vm");
        machine.start(ram);
        machine.awaitTick(5);

        goesOnAfterAnUpdate("RAM a file of the session", machine.startWith(ram, "-incoming defer"));
    }

    @Test
    void aMachineWhoseRamIsAMemfdOfItsOwnGoesOn() {
        machine.start("memory-backend-memfd");
        machine.awaitTick(5);
        host.mount("vm");
        machine.script("link-ram").succeed();

        goesOnAfterAnUpdate(
                "RAM a memfd of QEMU's own",
                "kexecfs recv vm/ram -- " + machine.startWith("memory-backend-file,mem-path={}", "-incoming defer"));
    }

    @Test
    void ramThatIsMadeBeforeQemuIsNotInTheState() {
        host.mount("vm");
        host.sh("kexecfs memfd --size " + MIB + "M vm/ram -- " + machine.startWith("memory-backend-file,mem-path={}"));

        machine.script("save-vm").succeed();

        assertTrue(stateSize() < STATE_AT_MOST, () -> "a state of " + stateSize());
    }

    /** The machine runs, and its RAM is in the session. */
    private void goesOnAfterAnUpdate(String name, String start) {
        Downtime downtime = new Downtime();
        downtime.step("save-vm", () -> machine.script("save-vm").succeed());
        int last = machine.ticks().getLast().number();
        long state = stateSize();
        downtime.step("end-vm", machine::end);
        downtime.step("prepare", () -> host.sh("echo 1 >vm/kexecfs.prepare"));
        downtime.step("kexec (emulated)", host::kexec);
        downtime.step("mount", () -> host.mount("vm"));
        downtime.step("start-vm", () -> host.sh(start));
        downtime.step("resume-vm", () -> machine.script("resume-vm").succeed());
        downtime.step("its next line", () -> machine.awaitTick(last + 1));
        System.out.printf("VM downtime, %s of %d MiB, state of %d KiB: %s%n", name, MIB, state >> 10, downtime);

        machine.awaitTick(last + 5);
        List<Tick> ticks = machine.ticks();
        assertAll(
                () -> assertEquals(
                        IntStream.rangeClosed(1, ticks.size()).boxed().toList(),
                        ticks.stream().map(Tick::number).toList(),
                        "the counter in its memory goes on"),
                () -> assertEquals(
                        ticks.stream().map(Tick::uptime).sorted().toList(),
                        ticks.stream().map(Tick::uptime).toList(),
                        "its uptime goes on"),
                () -> assertTrue(state < STATE_AT_MOST, () -> "no RAM is in the state: " + state),
                () -> assertTrue(
                        host.sh(
                                                "grep -a -o 'counter [0-9]* uptime' vm/ram | sort -n -k 2 | tail -n 1 | cut -d ' ' -f 2")
                                        .transform(Integer::parseInt)
                                > last,
                        "what it writes after the update is in the session's file: they are one memory"),
                () -> assertEquals("normal", host.sh("cat vm/kexecfs.state"), "the update is finished"),
                () -> assertEquals("ram", host.sh("ls vm | grep -v ^kexecfs"), "the state is used up"));
    }

    private long stateSize() {
        return Long.parseLong(host.sh("stat -c %s vm/state"));
    }
}
