package org.kexecfs.luo;

import static jnr.constants.platform.linux.Errno.ENOENT;
import static jnr.constants.platform.linux.Errno.ENOTTY;
import static org.kexecfs.luo.Check.fails;
import static org.kexecfs.luo.Check.that;

import org.junit.jupiter.api.Test;

/** The device where there is none; where there is, {@link DeviceContract}. */
class DeviceLiveUpdateTest {
    @Test
    void withoutTheDeviceAllGivesENOENT_andSaysWhatItTakes() {
        LiveUpdate luo = new DeviceLiveUpdate("/dev/there-is-none");

        String message = fails(ENOENT, () -> luo.createSession("name"));

        fails(ENOENT, () -> luo.retrieveSession("name"));
        that(message.contains("/dev/there-is-none") && message.contains("liveupdate=on"), message);
    }

    @Test
    void anotherDeviceGivesENOTTY() {
        LiveUpdate luo = new DeviceLiveUpdate("/dev/null");

        fails(ENOTTY, () -> luo.createSession("name"));
        fails(ENOTTY, () -> luo.retrieveSession("name"));
    }

    @Test
    void aBadNameIsToldBeforeTheDeviceIsOpened() {
        fails(
                jnr.constants.platform.linux.Errno.EINVAL,
                () -> new DeviceLiveUpdate("/dev/there-is-none").createSession("a\0b"));
    }

    @Test
    void itIsCalledByItsPath() {
        Check.equal("/dev/liveupdate", new DeviceLiveUpdate().toString(), "name");
        that(!new DeviceLiveUpdate().emulated(), "emulated");
    }
}
