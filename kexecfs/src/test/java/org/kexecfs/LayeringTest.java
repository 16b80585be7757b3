package org.kexecfs;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.time.Clock;
import java.time.Instant;
import org.kexecfs.posix.Time;

/** The rooms of the house: upper ones use lower ones, never back up. */
@AnalyzeClasses(packages = "org.kexecfs", importOptions = DoNotIncludeTests.class)
class LayeringTest {
    @ArchTest
    static final ArchRule UPPER_ROOMS_USE_LOWER_ONES = layeredArchitecture()
            .consideringOnlyDependenciesInLayers()
            .optionalLayer("fuse")
            .definedBy("org.kexecfs.fuse..")
            .optionalLayer("mount")
            .definedBy("org.kexecfs.mount..")
            .optionalLayer("session")
            .definedBy("org.kexecfs.session..")
            .optionalLayer("manifest")
            .definedBy("org.kexecfs.manifest..")
            .optionalLayer("keep")
            .definedBy("org.kexecfs.keep..")
            .optionalLayer("luo")
            .definedBy("org.kexecfs.luo..")
            .optionalLayer("posix")
            .definedBy("org.kexecfs.posix..")
            .whereLayer("fuse")
            .mayNotBeAccessedByAnyLayer()
            .whereLayer("mount")
            .mayOnlyBeAccessedByLayers("fuse")
            .whereLayer("session")
            .mayOnlyBeAccessedByLayers("fuse", "mount")
            .whereLayer("manifest")
            .mayOnlyBeAccessedByLayers("fuse", "mount", "session")
            .whereLayer("keep")
            .mayOnlyBeAccessedByLayers("fuse", "mount", "session", "manifest")
            .whereLayer("luo")
            .mayOnlyBeAccessedByLayers("fuse", "mount", "session", "manifest", "keep");

    @ArchTest
    static final ArchRule ROOMS_KNOW_NOBODY_IN_A_CIRCLE =
            slices().matching("org.kexecfs.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule EVERY_CLASS_HAS_A_ROOM = classes()
            .should()
            .resideInAnyPackage(
                    "org.kexecfs.fuse..",
                    "org.kexecfs.mount..",
                    "org.kexecfs.session..",
                    "org.kexecfs.manifest..",
                    "org.kexecfs.keep..",
                    "org.kexecfs.luo..",
                    "org.kexecfs.posix..");

    @ArchTest
    static final ArchRule ONLY_FUSE_KNOWS_FUSE = noClasses()
            .that(not(resideInAPackage("org.kexecfs.fuse..")))
            .should()
            .dependOnClassesThat()
            .resideInAPackage("ru.serce.jnrfuse..");

    @ArchTest
    static final ArchRule NATIVE_CODE_STAYS_BELOW = noClasses()
            .that()
            .resideInAnyPackage(
                    "org.kexecfs.mount..", "org.kexecfs.session..", "org.kexecfs.manifest..", "org.kexecfs.keep..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("jnr.ffi..");

    /** A clock that jumps changes the times of files, and nothing else: whoever waits, waits by System.nanoTime. */
    @ArchTest
    static final ArchRule THE_WALL_CLOCK_DECIDES_NOTHING = noClasses()
            .that()
            .doNotBelongToAnyOf(Time.class)
            .should()
            .callMethod(System.class, "currentTimeMillis")
            .orShould()
            .callMethod(Instant.class, "now")
            .orShould()
            .dependOnClassesThat()
            .areAssignableTo(Clock.class);
}
