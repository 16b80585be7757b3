package org.kexecfs.guest;

/**
 * One line of a guest's report.
 *
 * @param holds whether it was {@code ok}
 * @param name what was checked
 * @param detail what was seen instead; empty for one that holds
 */
public record Check(boolean holds, String name, String detail) {}
