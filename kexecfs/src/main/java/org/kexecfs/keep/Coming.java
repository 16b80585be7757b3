package org.kexecfs.keep;

/** What the machine is on its way to. */
public enum Coming {
    /** It stays up, or goes down for good. */
    NOTHING,
    /** Another kernel, and whoever holds what is parked brings LUO's sessions there. */
    KEXEC,
    /** All but the kernel begins anew, and whoever holds what is parked holds it through that. */
    SOFT_REBOOT
}
