package org.kexecfs.mount;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import jnr.constants.platform.linux.Errno;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.kexecfs.posix.ErrnoException;

/** What -o may say. */
class MountOptionsTest {
    private static long memory() throws IOException {
        return Files.readAllLines(Path.of("/proc/meminfo")).stream()
                .filter(line -> line.startsWith("MemTotal:"))
                .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void nothingIsTheDefaults() throws IOException {
        MountOptions options = MountOptions.parse("");

        assertEquals(Path.of("/dev/liveupdate"), options.device());
        assertEquals(Optional.empty(), options.emulate());
        assertEquals(Optional.empty(), options.uid());
        assertEquals(Optional.empty(), options.gid());
        assertEquals(Optional.empty(), options.mode());
        assertEquals(0200, options.controlMode());
        assertEquals(memory() / 2, options.size());
        assertFalse(options.readOnly());
        assertFalse(options.noexec());
        assertFalse(options.nowhere());
    }

    @Test
    void allAtOnce() {
        MountOptions options = MountOptions.parse("device=/dev/other,preserve=prepare,size=1m,nr_inodes=10,uid=1,gid=2,"
                + "mode=1777,control_uid=3,control_gid=4,control_mode=0660,ro,noexec,private");

        assertEquals(Path.of("/dev/other"), options.device());
        assertEquals(1 << 20, options.size());
        assertEquals(10, options.inodes());
        assertEquals(Optional.of(1), options.uid());
        assertEquals(Optional.of(2), options.gid());
        assertEquals(Optional.of(01777), options.mode());
        assertEquals(Optional.of(3), options.controlUid());
        assertEquals(Optional.of(4), options.controlGid());
        assertEquals(0660, options.controlMode());
        assertTrue(options.readOnly());
        assertTrue(options.noexec());
        assertTrue(options.nowhere());
    }

    @Test
    void emulateHasADirectory_orTheDefaultOne() {
        assertEquals(
                Optional.of(Path.of("/x/y")), MountOptions.parse("emulate=/x/y").emulate());
        assertEquals(
                Optional.of(RuntimeDirectory.path().resolve("emulated")),
                MountOptions.parse("emulate").emulate());
        assertTrue(
                MountOptions.parse("emulate=relative").emulate().orElseThrow().isAbsolute());
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 1", "4k, 4096", "4K, 4096", "2m, 2097152", "3g, 3221225472", "1t, 1099511627776"})
    void sizesAreAsTmpfsHasThem(String text, long bytes) {
        assertEquals(bytes, MountOptions.parse("size=" + text).size());
        assertEquals(bytes, MountOptions.parse("nr_inodes=" + text).inodes());
    }

    @Test
    void aPartOfTheMemory() throws IOException {
        assertEquals(memory() / 100 * 25, MountOptions.parse("size=25%").size());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "size",
                "size=",
                "size=x",
                "size=-1",
                "size=1.5m",
                "size=%",
                "size=1kk",
                "size=9999999999999999999",
                "size=999999999999999t",
                "nr_inodes=50%",
                "nr_inodes=",
                "uid=x",
                "uid=-1",
                "uid=4294967296",
                "uid",
                "gid=1x",
                "mode=8",
                "mode=0x1",
                "mode=77777",
                "mode=-1",
                "control_uid=root",
                "control_gid=",
                "control_mode=9",
                "device=",
                "device",
                "preserve=later",
                "preserve",
                "ro=1",
                "noexec=yes"
            })
    void aWrongValueIsInvalid_andTheOptionIsNamed(String option) {
        String name = option.split("=")[0];

        ErrnoException e = assertThrows(ErrnoException.class, () -> MountOptions.parse("rw," + option));

        assertEquals(Errno.EINVAL, e.errno(), e.getMessage());
        assertTrue(e.getMessage().contains(name), e.getMessage());
    }

    @Test
    void theLargestIdIsOne() {
        assertEquals(Optional.of(-1), MountOptions.parse("uid=4294967295").uid());
    }

    @ParameterizedTest
    @ValueSource(strings = {"sized=1", "Size=1", "bogus", "nosuch=1"})
    void anUnknownOptionIsRefused(String option) {
        ErrnoException e = assertThrows(ErrnoException.class, () -> MountOptions.parse(option));

        assertEquals(Errno.EINVAL, e.errno());
        assertTrue(e.getMessage().contains(option.split("=")[0]), e.getMessage());
    }

    @Test
    void whatIsMount8sOwnIsPassedOver() {
        MountOptions options =
                MountOptions.parse("defaults,rw,nosuid,nodev,exec,noauto,_netdev,nofail,noatime,x-systemd.automount,,");

        assertFalse(options.readOnly());
    }

    @Test
    void deviceAndEmulationExcludeEachOther() {
        ErrnoException e =
                assertThrows(ErrnoException.class, () -> MountOptions.parse("device=/dev/liveupdate,emulate=/x"));

        assertEquals(Errno.EINVAL, e.errno());
    }
}
