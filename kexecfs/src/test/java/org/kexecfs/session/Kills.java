package org.kexecfs.session;

/** Ends a "process" at a chosen step: every call to its keeper and to LUO is one before it, and one after it. */
final class Kills {
    /** No code catches it: nothing is done after it, but for closing descriptors. */
    static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    private long steps;
    private long last = Long.MAX_VALUE;
    private boolean dead;
    private Runnable atDeath = () -> {};

    /** What is done the moment that a process is killed. */
    void atDeath(Runnable what) {
        atDeath = what;
    }

    /** The process that comes next is killed at this step, the first being 1. */
    void at(long step) {
        steps = 0;
        last = step;
        dead = false;
    }

    /** Nobody is killed from now on. */
    void never() {
        at(Long.MAX_VALUE);
    }

    void step() {
        if (!dead && ++steps >= last) {
            dead = true;
            atDeath.run();
        }
        if (dead) {
            throw new Killed();
        }
    }

    /** How many steps there were. */
    long steps() {
        return steps;
    }
}
