package org.kexecfs.manifest;

/**
 * A manifest that cannot be understood from some point on, and why, in words. Told, never thrown, outside this room.
 */
final class Damage extends Exception {
    private static final long serialVersionUID = 1L;

    Damage(String message) {
        super(message);
    }
}
