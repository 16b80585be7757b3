package org.kexecfs.luo;

import java.util.List;

/** A second JVM. */
final class Jvm {
    private Jvm() {}

    /** The command that runs a class of the tests' class path; its arguments are to follow. */
    static List<String> running(String mainClass) {
        return List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                mainClass);
    }
}
