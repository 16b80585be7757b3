package org.kexecfs.tool;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * One run of a command within the test's JVM.
 *
 * @param exit its exit code
 * @param out what it printed
 * @param err what it complained of
 */
record Tool(int exit, String out, String err) {
    static Tool run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int exit = Main.run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
        return new Tool(exit, out.toString(), err.toString());
    }
}
