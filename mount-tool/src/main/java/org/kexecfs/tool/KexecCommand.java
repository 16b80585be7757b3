package org.kexecfs.tool;
import picocli.CommandLine.Command;
@Command(name = "kexec")
final class KexecCommand implements Runnable { public void run() {} }
