/**
 * The commands: {@code kexecfs mount}, {@code umount}, {@code status}, {@code ls}, {@code wait}, {@code send}, {@code recv},
 * {@code memfd}, {@code luo}, {@code kexec}, {@code docker-plugin}, {@code demo}.
 *
 * <p>A command reads what a user could read, the mount table and the {@code kexecfs.*} files, and prints it; only
 * {@code mount} serves a filesystem. Errors are thrown where they are seen and printed in one place, {@link
 * org.kexecfs.tool.Main}.
 */
package org.kexecfs.tool;
