/** Where messages go: to stderr, for people or for systemd's journal. */
package org.kexecfs.log;
