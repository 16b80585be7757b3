/**
 * The Live Update Orchestrator (LUO), the uAPI one to one.
 *
 * <p>{@link org.kexecfs.luo.LiveUpdate} is the interface; there are two of it: {@link
 * org.kexecfs.luo.DeviceLiveUpdate}, the kernel's device, and {@link org.kexecfs.luo.EmulatedLiveUpdate}, a directory
 * that does what the kernel does. What holds on one must hold on the other: one contract, in the tests, runs on
 * both. The only room that knows an ioctl's number.
 */
package org.kexecfs.luo;
