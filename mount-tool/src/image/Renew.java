import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.ConstantPoolSharingOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Gives the classes of old libraries (picocli, ASM, x86asm: compiled for Java 5) today's format. The JVM's
 * start-up cache takes no class of that age, and to verify them anew at each start was a good part of it.
 *
 * <p>{@code java Renew.java JAR...} rewrites the jars in place; a class that is new enough stays as it is.
 */
final class Renew {
    private static final int OLDEST_CACHED = ClassFile.JAVA_6_VERSION;
    private static final int FORMAT = ClassFile.JAVA_8_VERSION;

    private final ClassFile classFile;

    private Renew(ClassLoader libraries) {
        classFile = ClassFile.of(
                StackMapsOption.GENERATE_STACK_MAPS,
                // With the old pool the code would be copied as it is, without the stack maps.
                ConstantPoolSharingOption.NEW_POOL,
                ClassHierarchyResolverOption.of(ClassHierarchyResolver.defaultResolver()
                        .orElse(ClassHierarchyResolver.ofResourceParsing(libraries))));
    }

    public static void main(String[] jars) throws IOException {
        List<URL> urls = new ArrayList<>();
        for (String jar : jars) {
            urls.add(Path.of(jar).toUri().toURL());
        }
        try (URLClassLoader libraries = new URLClassLoader(urls.toArray(URL[]::new))) {
            Renew renew = new Renew(libraries);
            for (String jar : jars) {
                renew.jar(Path.of(jar));
            }
        }
    }

    private void jar(Path jar) throws IOException {
        URI uri = URI.create("jar:" + jar.toUri());
        try (FileSystem inside = FileSystems.newFileSystem(uri, Map.of());
                Stream<Path> files = Files.walk(inside.getPath("/"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".class")).toList()) {
                ClassModel model = classFile.parse(Files.readAllBytes(file));
                if (model.majorVersion() < OLDEST_CACHED) {
                    Files.write(file, renewed(model));
                }
            }
        }
    }

    private byte[] renewed(ClassModel old) {
        return classFile.transformClass(old, (builder, element) -> {
            if (element instanceof ClassFileVersion) {
                builder.withVersion(FORMAT, 0);
            } else {
                builder.with(element);
            }
        });
    }
}
