package org.kexecfs.tool;

import java.nio.file.Path;
import java.util.List;
import org.kexecfs.luo.DeviceLiveUpdate;
import org.kexecfs.luo.EmulatedLiveUpdate;
import org.kexecfs.luo.LiveUpdate;
import org.kexecfs.luo.LiveUpdateSession;
import org.kexecfs.posix.Fd;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A command that opens a session of some LUO, and leaves it to COMMAND and to all that COMMAND starts. */
abstract class LuoOpenCommand extends DescriptorCommand {
    @Option(
            names = "--device",
            paramLabel = "PATH",
            description = "The LUO device, default " + DeviceLiveUpdate.PATH + ".")
    private String device;

    @Option(
            names = "--emulate",
            paramLabel = "DIR",
            description = "The emulation in DIR, in place of the device. It needs each preserved file open in a process"
                    + " that has the session.")
    private Path emulation;

    @Parameters(index = "0", paramLabel = "SESSION", description = "The session's name.")
    private String name;

    /** With a number that other commands do not take unasked. */
    LuoOpenCommand() {
        super(9);
    }

    /** Opens the session. */
    abstract LiveUpdateSession open(LiveUpdate luo);

    final String name() {
        return name;
    }

    @Override
    final Fd file() {
        return open(luo()).fd();
    }

    @Override
    final List<String> variables() {
        return List.of(LuoSession.variable(number()));
    }

    /** A session has no path to open it by: {@code {}} is left to the commands within COMMAND. */
    @Override
    final String filled(String argument) {
        return argument;
    }

    private LiveUpdate luo() {
        if (emulation == null) {
            return device == null ? new DeviceLiveUpdate() : new DeviceLiveUpdate(device);
        }
        if (device != null) {
            throw new ToolException(Exit.USAGE, "--device and --emulate are two LUOs: name one");
        }
        return new EmulatedLiveUpdate(emulation);
    }
}
