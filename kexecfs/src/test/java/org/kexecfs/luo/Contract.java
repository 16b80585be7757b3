package org.kexecfs.luo;

import static jnr.constants.platform.linux.Errno.EBADF;
import static jnr.constants.platform.linux.Errno.EBUSY;
import static jnr.constants.platform.linux.Errno.EEXIST;
import static jnr.constants.platform.linux.Errno.EFBIG;
import static jnr.constants.platform.linux.Errno.EINVAL;
import static jnr.constants.platform.linux.Errno.ENOENT;
import static jnr.constants.platform.linux.Errno.EPERM;
import static org.kexecfs.luo.Check.equal;
import static org.kexecfs.luo.Check.fails;
import static org.kexecfs.luo.Check.that;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.kexecfs.luo.Case.AcrossKexec;
import org.kexecfs.luo.Case.Bench;
import org.kexecfs.luo.Case.Plain;
import org.kexecfs.luo.Case.Step;
import org.kexecfs.posix.ErrnoException;
import org.kexecfs.posix.Fd;
import org.kexecfs.posix.Libc;
import org.kexecfs.posix.Tmpfs;

/**
 * What holds of LUO, be it the kernel's or the emulation. One list of cases for both, run by JUnit on the emulation
 * and by {@link DeviceContract} on a kernel; so there is no JUnit in here.
 *
 * <p>Where the emulation cannot do as the kernel does, the case says so with {@code emulated()} and a comment.
 */
final class Contract {
    private static final int F_SEAL_SEAL = 0x01;
    private static final int F_SEAL_SHRINK = 0x02;
    private static final int F_SEAL_GROW = 0x04;
    private static final int F_SEAL_WRITE = 0x08;
    private static final int F_SEAL_FUTURE_WRITE = 0x10;
    private static final int F_SEAL_EXEC = 0x20;

    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_HUGETLB = 4;
    private static final int MFD_NOEXEC_SEAL = 8;
    private static final int O_PATH = 0x200000;
    private static final int O_TMPFILE = 0x410000;

    private static final List<Integer> SIZES = List.of(0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 3);
    private static final int MANY = 500;

    private final List<Case> cases = new ArrayList<>();

    private Contract() {}

    /** All cases. */
    static List<Case> cases() {
        Contract contract = new Contract();
        contract.names();
        contract.tokens();
        contract.identity();
        contract.types();
        contract.kinds();
        contract.frozenFiles();
        contract.ends();
        contract.adopting();
        contract.whatIsKept();
        contract.retrieving();
        contract.finishing();
        contract.whatIsNotCarried();
        contract.scale();
        return Collections.unmodifiableList(contract.cases);
    }

    private void plain(String name, Step run) {
        cases.add(new Plain(name, run));
    }

    private void acrossKexec(String name, Step before, Step after) {
        cases.add(new AcrossKexec(name, before, after));
    }

    private void names() {
        plain(
                "aSessionTellsItsName",
                bench -> equal(bench.name(""), bench.create().name(), "name"));
        plain("aNameIs63BytesAtMost", bench -> {
            String longest = bench.name("x".repeat(63 - bench.name("").length()));
            equal(longest, bench.keep(bench.luo().createSession(longest)).name(), "name");
            fails(EINVAL, () -> bench.luo().createSession(longest + "x"));
            fails(EINVAL, () -> bench.luo().retrieveSession(longest + "x"));
        });
        plain("aNamesLengthIsCountedInBytesOfUtf8", bench -> {
            String name = bench.name("\u00e9".repeat((63 - bench.name("").length()) / 2));
            equal(name, bench.keep(bench.luo().createSession(name)).name(), "name");
            fails(EINVAL, () -> bench.luo().createSession(name + "\u00e9"));
        });
        for (String bad : List.of("", ".", "..", "a\0b", "\ud800")) {
            plain("theName" + printable(bad) + "IsInvalid", bench -> {
                fails(EINVAL, () -> bench.luo().createSession(bad));
                fails(EINVAL, () -> bench.luo().retrieveSession(bad));
            });
        }
        for (String odd : List.of("lock", "current", "a/b", "...", "-x", "a b", "%2E", "a+b", "\u4f1a\u8bdd", "a\nb")) {
            plain("theName" + printable(odd) + "IsAsGoodAsAny", bench -> {
                equal(odd, bench.keep(bench.luo().createSession(odd)).name(), "name");
                fails(EEXIST, () -> bench.luo().createSession(odd));
            });
        }
        plain("whenTheNameIsTaken_createGivesEEXIST", bench -> {
            bench.create();
            fails(EEXIST, bench::create);
        });
        plain("whenNothingIsIncoming_retrieveGivesENOENT", bench -> {
            fails(ENOENT, bench::retrieve);
            bench.create();
            fails(ENOENT, bench::retrieve);
        });
    }

    private static String printable(String name) {
        StringBuilder out = new StringBuilder("'");
        name.chars().forEach(c -> out.append(c > 0x20 && c < 0x7f ? "" + (char) c : String.format("<%x>", c)));
        return out.append("'").toString();
    }

    private void tokens() {
        plain("aTokenIsUsedOnceInASession", bench -> {
            LiveUpdateSession session = bench.create();
            session.preserve(bench.memfd(), 7);
            fails(EEXIST, () -> session.preserve(bench.memfd(), 7));
        });
        plain("aTokenInUseIsToldBeforeAFileThatLuoCannotPreserve", bench -> {
            LiveUpdateSession session = bench.create();
            session.preserve(bench.memfd(), 7);
            fails(EEXIST, () -> session.preserve(pipe(bench), 7));
        });
        plain("twoSessionsHaveTokensOfTheirOwn", bench -> {
            bench.create("a").preserve(bench.memfd(), 7);
            bench.create("b").preserve(bench.memfd(), 7);
        });
        plain("aPreserveThatFailedLeavesTokenAndFileFree", bench -> {
            LiveUpdateSession session = bench.create();
            fails(ENOENT, () -> session.preserve(pipe(bench), 7));
            Fd file = bench.memfd();
            session.preserve(file, 7);
            fails(EBUSY, () -> session.preserve(file, 8));
            session.preserve(bench.memfd(), 8);
        });
        acrossKexec(
                "aTokenIsAny64Bits",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    for (long token : new long[] {0, 1, -1, Long.MIN_VALUE, Long.MAX_VALUE}) {
                        session.preserve(bench.memfd(Fd.utf8(Long.toString(token))), token);
                    }
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    for (long token : new long[] {-1, 0, Long.MIN_VALUE, Long.MAX_VALUE, 1}) {
                        holds(Fd.utf8(Long.toString(token)), bench.keep(session.retrieve(token)), "token " + token);
                    }
                });
    }

    private void identity() {
        plain("oneFileIsPreservedOnce", bench -> {
            LiveUpdateSession session = bench.create();
            Fd file = bench.memfd();
            session.preserve(file, 1);
            fails(EBUSY, () -> session.preserve(file, 2));
        });
        plain("oneFileIsPreservedInOneSessionOnly", bench -> {
            Fd file = bench.memfd();
            bench.create("a").preserve(file, 1);
            fails(EBUSY, () -> bench.create("b").preserve(file, 1));
        });
        plain("twoDescriptorsOfAMemfdAreOneFile", bench -> {
            LiveUpdateSession session = bench.create();
            Fd file = bench.memfd();
            session.preserve(file, 1);
            fails(EBUSY, () -> session.preserve(bench.keep(file.dup()), 2));
            fails(EBUSY, () -> session.preserve(reopened(bench, file, Fd.O_RDWR), 2));
        });
        plain("aDescriptorThatWasClosedGivesEBADF", bench -> {
            Fd file = bench.memfd();
            file.close();
            fails(EBADF, () -> bench.create().preserve(file, 1));
        });
        plain("aDescriptorThatIsAPathGivesEBADF", bench -> {
            Fd path = reopened(bench, bench.memfd(), O_PATH);
            fails(EBADF, () -> bench.create().preserve(path, 1));
        });
    }

    private void types() {
        refused("aPipe", Contract::pipe);
        refused("ASocket", bench -> {
            int[] ends = new int[2];
            equal(0, MoreLibc.C.socketpair(1, 1, 0, ends), "socketpair");
            bench.keep(Fd.own(ends[1]));
            return bench.keep(Fd.own(ends[0]));
        });
        refused("AnEventfd", bench -> bench.keep(Fd.own(Libc.C.eventfd(0, 0))));
        refused("ADevice", bench -> bench.keep(Fd.open("/dev/null", Fd.O_RDWR, 0)));
        refused("AFileOfProc", bench -> bench.keep(Fd.open("/proc/self/status", Fd.O_RDONLY, 0)));
        refused("AFileOnDisk", bench -> bench.keep(Fd.open(executable(), Fd.O_RDONLY, 0)));
        refused("ADirectory", bench -> bench.keep(Fd.open("/", Fd.O_RDONLY, 0)));
        refused("HugetlbMemory", bench -> {
            int memfd = Libc.C.memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
            // A kernel without huge pages has no such memory; then there is nothing to refuse.
            return memfd < 0 ? pipe(bench) : bench.keep(Fd.own(memfd));
        });
        plain("aTmpfsFileIsPreservedOnceItHasNoName", bench -> {
            Path named = Path.of(Files.isDirectory(Path.of("/dev/shm")) ? "/dev/shm" : "/dev", bench.name(""));
            Fd file = bench.keep(Fd.open(named.toString(), Fd.O_RDWR | Fd.O_CREAT, 0600));
            LiveUpdateSession session = bench.create();
            try {
                fails(ENOENT, () -> session.preserve(file, 1));
            } finally {
                delete(named);
            }
            session.preserve(file, 1);
        });
        plain("2To32PagesAreTooBig", bench -> {
            Fd file = bench.memfd();
            file.truncate(0xffffffffL * 4096 + 1);
            LiveUpdateSession session = bench.create();
            fails(EFBIG, () -> session.preserve(file, 1));
            file.truncate(1);
            session.preserve(file, 1);
        });
    }

    private interface Making {
        Fd in(Bench bench);
    }

    private void refused(String what, Making file) {
        plain("luoHasNoHandlerFor" + Character.toUpperCase(what.charAt(0)) + what.substring(1), bench -> {
            LiveUpdateSession session = bench.create();
            Fd made = file.in(bench);
            fails(ENOENT, () -> session.preserve(made, 1));
        });
    }

    private void kinds() {
        plain("anOutgoingSessionNeitherRetrievesNorFinishes", bench -> {
            LiveUpdateSession session = bench.create();
            session.preserve(bench.memfd(), 1);
            fails(EINVAL, () -> session.retrieve(1));
            fails(EINVAL, session::finish);
        });
        acrossKexec("anIncomingSessionDoesNotPreserve", Bench::create, bench -> {
            LiveUpdateSession session = bench.retrieve();
            fails(EINVAL, () -> session.preserve(bench.memfd(), 1));
            session.finish();
            fails(EINVAL, () -> session.preserve(bench.memfd(), 1));
        });
        plain("aClosedSessionGivesEBADF", bench -> {
            LiveUpdateSession session = bench.create();
            session.close();
            session.close();
            fails(EBADF, session::name);
            fails(EBADF, () -> session.preserve(bench.memfd(), 1));
            fails(EBADF, () -> session.retrieve(1));
            fails(EBADF, session::finish);
        });
    }

    private void frozenFiles() {
        plain("aPreservedFilesSizeIsFrozen", bench -> {
            Fd file = bench.memfd(pattern(100));
            LiveUpdateSession session = bench.create();
            session.preserve(file, 1);
            file.pwrite(pattern(100), 0);
            if (bench.luo().emulated()) {
                // It cannot freeze a file from outside the kernel. Its kexec fails instead: EmulatedLiveUpdateTest.
                return;
            }
            fails(EPERM, () -> file.truncate(99));
            fails(EPERM, () -> file.truncate(101));
            fails(EPERM, () -> file.pwrite(pattern(1), 100));
            fails(EPERM, () -> file.fallocate(0, 0, 1));
            equal(100L, file.status().size(), "size");
        });
        plain("aFilesSizeCanChangeAfterTheClose", bench -> {
            Fd file = bench.memfd(pattern(100));
            LiveUpdateSession session = bench.create();
            session.preserve(file, 1);
            session.close();
            file.truncate(10);
            file.pwrite(pattern(100), 100);
            equal(200L, file.status().size(), "size");
        });
        plain("aPreservedFilesHolesAreFilled", bench -> {
            Fd file = bench.memfd();
            file.truncate(1 << 20);
            bench.create().preserve(file, 1);
            that(
                    file.status().blocks() * 512 >= 1 << 20,
                    "blocks: " + file.status().blocks());
        });
    }

    private void ends() {
        plain("aCloseFreesTheName", bench -> {
            bench.create().close();
            bench.create();
        });
        plain("aCloseFreesTheFiles", bench -> {
            Fd file = bench.memfd();
            LiveUpdateSession first = bench.create("a");
            first.preserve(file, 1);
            first.close();
            bench.create("b").preserve(file, 1);
        });
        plain("aSessionLivesAsLongAsADuplicateOfItsDescriptor", bench -> {
            Fd file = bench.memfd();
            LiveUpdateSession session = bench.create();
            session.preserve(file, 1);
            Fd duplicate = bench.keep(session.fd().dup());
            session.close();
            fails(EEXIST, bench::create);
            fails(EBUSY, () -> bench.create("b").preserve(file, 1));
            duplicate.close();
            bench.create().preserve(file, 1);
        });
        acrossKexec(
                "aSessionGoesOverByADuplicateOfItsDescriptor",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    session.preserve(bench.memfd(pattern(10)), 1);
                    bench.keep(session.fd().dup());
                    session.close();
                },
                bench -> holds(pattern(10), bench.keep(bench.retrieve().retrieve(1)), "file"));
    }

    private void adopting() {
        plain("aSessionThatIsAdoptedIsWhatItWas", bench -> {
            LiveUpdateSession session = bench.create();
            session.preserve(bench.memfd(), 7);
            LiveUpdateSession adopted = adopted(bench, session);
            equal(bench.name(""), adopted.name(), "name");
            that(!adopted.isIncoming(), "it is outgoing");
            fails(EEXIST, () -> adopted.preserve(bench.memfd(), 7));
            adopted.preserve(bench.memfd(), 8);
            fails(EEXIST, bench::create);
            adopted.close();
            bench.create();
        });
        plain("anOutgoingSessionTellsWhatItHoldsAndIsNotChangedByThat", bench -> {
            LiveUpdateSession session = bench.create();
            session.preserve(bench.memfd(), 7);
            for (int again = 0; again < 2; again++) {
                that(session.holds(7), "it holds 7");
                that(!session.holds(0), "it does not hold 0");
                that(!session.isIncoming(), "it is outgoing");
            }
            session.preserve(bench.memfd(), 0);
            that(session.holds(0), "it holds 0");
        });
        acrossKexec(
                "aSessionThatIsAdoptedGoesOver",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    session.preserve(bench.memfd(pattern(10)), 1);
                    adopted(bench, session).preserve(bench.memfd(pattern(20)), 2);
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    holds(pattern(10), bench.keep(session.retrieve(1)), "file preserved before");
                    holds(pattern(20), bench.keep(session.retrieve(2)), "file preserved after");
                });
        acrossKexec(
                "aRetrievedSessionThatIsAdoptedGivesItsFiles",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    session.preserve(bench.memfd(pattern(10)), 1);
                    session.preserve(bench.memfd(pattern(20)), 2);
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    holds(pattern(10), bench.keep(session.retrieve(1)), "file retrieved before");
                    that(session.isIncoming(), "it is incoming");
                    LiveUpdateSession adopted = adopted(bench, session);
                    that(adopted.isIncoming(), "it is incoming");
                    fails(EINVAL, () -> adopted.holds(1));
                    holds(pattern(10), bench.keep(adopted.retrieve(1)), "file retrieved again");
                    holds(pattern(20), bench.keep(adopted.retrieve(2)), "file not retrieved before");
                    adopted.finish();
                    that(adopted.isIncoming(), "it is incoming when it is finished");
                    fails(ENOENT, () -> adopted.retrieve(1));
                });
        plain("whatIsNoSessionIsNotAdoptedAndClosed", bench -> {
            for (Fd no : List.of(pipe(bench), bench.memfd(), bench.keep(Fd.open("/dev/null", Fd.O_RDWR, 0)))) {
                fails(EINVAL, () -> bench.luo().adopt(no));
                fails(EBADF, no::number);
            }
        });
        acrossKexec(
                "theKernelIsAnotherAfterAKexec",
                bench -> bench.create().preserve(bench.memfd(Fd.utf8(bench.luo().kernel())), 1),
                bench -> {
                    Fd file = bench.keep(bench.retrieve().retrieve(1));
                    byte[] before = new byte[(int) file.status().size()];
                    file.pread(before, 0);
                    String now = bench.luo().kernel();
                    equal(now, bench.luo().kernel(), "kernel, asked again");
                    that(!Arrays.equals(before, Fd.utf8(now)), "kernel: " + now + " before as well");
                });
    }

    /** The session as a process that has nothing but a duplicate of its descriptor sees it. */
    private static LiveUpdateSession adopted(Bench bench, LiveUpdateSession session) {
        Fd duplicate = session.fd().dup();
        session.close();
        return bench.keep(bench.luo().adopt(duplicate));
    }

    private void whatIsKept() {
        acrossKexec(
                "contentsAndSizeAreKept",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    for (int size : SIZES) {
                        session.preserve(bench.memfd(pattern(size)), size);
                    }
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    for (int size : SIZES) {
                        holds(pattern(size), bench.keep(session.retrieve(size)), size + " bytes");
                    }
                });
        acrossKexec(
                "aSparseFileIsKeptAndIsFull",
                bench -> {
                    Fd file = bench.keep(Fd.memfd("sparse"));
                    file.pwrite(Fd.utf8("end"), 3 << 20);
                    file.truncate(4 << 20);
                    bench.create().preserve(file, 1);
                },
                bench -> {
                    Fd file = bench.keep(bench.retrieve().retrieve(1));
                    byte[] expected = new byte[4 << 20];
                    System.arraycopy(Fd.utf8("end"), 0, expected, 3 << 20, 3);
                    holds(expected, file, "file");
                    that(
                            file.status().blocks() * 512 >= 4 << 20,
                            "blocks: " + file.status().blocks());
                });
        acrossKexec(
                "whatIsWrittenAfterThePreserveIsKept",
                bench -> {
                    Fd file = bench.memfd(new byte[5000]);
                    bench.create().preserve(file, 1);
                    file.pwrite(pattern(5000), 0);
                },
                bench -> holds(pattern(5000), bench.keep(bench.retrieve().retrieve(1)), "file"));
        acrossKexec(
                "thePositionIsKeptAsItIsAtTheKexec",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    Fd inside = bench.memfd(pattern(100));
                    inside.position(1);
                    session.preserve(inside, 1);
                    inside.position(42);
                    Fd beyond = bench.memfd(pattern(100));
                    session.preserve(beyond, 2);
                    beyond.position(1L << 40);
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    equal(42L, bench.keep(session.retrieve(1)).position(), "position");
                    equal(1L << 40, bench.keep(session.retrieve(2)).position(), "position past the end");
                });
        for (int seal : new int[] {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL}) {
            acrossKexec(
                    String.format("theSeal0x%02xIsKept", seal),
                    bench -> {
                        Fd file = bench.memfd();
                        file.addSeals(seal);
                        bench.create().preserve(file, 1);
                    },
                    bench -> {
                        Fd file = bench.keep(bench.retrieve().retrieve(1));
                        equal(seal, file.seals(), "seals");
                        holds(Fd.utf8("some bytes"), file, "file");
                    });
        }
        acrossKexec(
                "allSealsTogetherAreKept",
                bench -> {
                    Fd file = bench.memfd();
                    file.addSeals(0x3f);
                    bench.create().preserve(file, 1);
                },
                bench -> {
                    Fd file = bench.keep(bench.retrieve().retrieve(1));
                    equal(0x3f, file.seals(), "seals");
                    fails(EPERM, () -> file.pwrite(new byte[1], 0));
                    fails(EPERM, () -> file.truncate(0));
                    fails(EPERM, () -> file.addSeals(F_SEAL_GROW));
                });
        // The restored file can be executed (mode 0777), and F_SEAL_EXEC on such a file brings F_SEAL_WRITE and its
        // like with it: mm/memfd.c, memfd_add_seals.
        acrossKexec(
                "aMemfdThatMayNotBeExecutedComesBackReadOnly",
                bench -> {
                    Fd file = bench.keep(Fd.own(Libc.C.memfd_create("noexec", MFD_CLOEXEC | MFD_NOEXEC_SEAL)));
                    file.pwrite(pattern(10), 0);
                    equal(F_SEAL_EXEC, file.seals(), "seals before");
                    bench.create().preserve(file, 1);
                },
                bench -> {
                    Fd file = bench.keep(bench.retrieve().retrieve(1));
                    int alsoSealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
                    equal(F_SEAL_EXEC | alsoSealed, file.seals(), "seals");
                    holds(pattern(10), file, "file");
                });
        acrossKexec(
                "aFileThatItsOwnerClosedIsKept",
                bench -> {
                    try (Fd file = Fd.memfd("closed")) {
                        file.pwrite(pattern(10), 0);
                        bench.create().preserve(file, 1);
                    }
                },
                bench -> holds(pattern(10), bench.keep(bench.retrieve().retrieve(1)), "file"));
        acrossKexec(
                "anUnnamedTmpfsFileIsKept",
                bench -> {
                    Fd file = unnamedTmpfsFile(bench);
                    file.pwrite(pattern(10), 0);
                    bench.create().preserve(file, 1);
                },
                bench -> holds(pattern(10), bench.keep(bench.retrieve().retrieve(1)), "file"));
        acrossKexec(
                "aFileThatWasOpenForReadingComesBackForWritingToo",
                bench -> bench.create().preserve(reopened(bench, bench.memfd(pattern(10)), Fd.O_RDONLY), 1),
                bench -> {
                    Fd file = bench.keep(bench.retrieve().retrieve(1));
                    equal(Fd.O_RDWR, file.flags() & Fd.O_ACCMODE, "access mode");
                    file.pwrite(pattern(20), 0);
                    holds(pattern(20), file, "file");
                });
    }

    private void retrieving() {
        acrossKexec(
                "filesAreRetrievedInAnyOrder",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    for (int i = 1; i <= 5; i++) {
                        session.preserve(bench.memfd(pattern(i)), i);
                    }
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    for (int i : new int[] {3, 5, 1, 4, 2}) {
                        holds(pattern(i), bench.keep(session.retrieve(i)), "file " + i);
                    }
                });
        acrossKexec(
                "aSecondRetrieveGivesTheSameOpenFile", bench -> bench.create().preserve(bench.memfd(), 1), bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    Fd first = bench.keep(session.retrieve(1));
                    first.position(5);
                    Fd second = bench.keep(session.retrieve(1));
                    equal(first.status().id(), second.status().id(), "file");
                    equal(5L, second.position(), "position");
                    first.close();
                    equal(5L, bench.keep(session.retrieve(1)).position(), "position after a close");
                });
        acrossKexec("anUnknownTokenGivesENOENT", bench -> bench.create().preserve(bench.memfd(), 1), bench -> {
            LiveUpdateSession session = bench.retrieve();
            fails(ENOENT, () -> session.retrieve(2));
            bench.keep(session.retrieve(1));
            fails(ENOENT, () -> session.retrieve(2));
        });
        acrossKexec(
                "anEmptySessionComesBackEmpty",
                Bench::create,
                bench -> fails(ENOENT, () -> bench.retrieve().retrieve(0)));
        acrossKexec("aRetrievedFilesSizeCanChange", bench -> bench.create().preserve(bench.memfd(), 1), bench -> {
            Fd file = bench.keep(bench.retrieve().retrieve(1));
            file.truncate(3);
            file.pwrite(pattern(5000), 10_000);
            equal(15_000L, file.status().size(), "size");
        });
        acrossKexec("aSessionIsRetrievedOnce", Bench::create, bench -> {
            LiveUpdateSession session = bench.retrieve();
            fails(EINVAL, bench::retrieve);
            session.finish();
            fails(EINVAL, bench::retrieve);
            session.close();
            fails(ENOENT, bench::retrieve);
        });
        acrossKexec(
                "aRetrievedSessionTellsItsName",
                bench -> bench.create("\u00e9"),
                bench -> equal(bench.name("\u00e9"), bench.retrieve("\u00e9").name(), "name"));
        acrossKexec(
                "sessionsHaveTheirOwnFiles",
                bench -> {
                    for (int i = 1; i <= 3; i++) {
                        bench.create("-" + i).preserve(bench.memfd(pattern(i)), 1);
                    }
                },
                bench -> {
                    for (int i = 3; i >= 1; i--) {
                        holds(pattern(i), bench.keep(bench.retrieve("-" + i).retrieve(1)), "session " + i);
                    }
                });
        acrossKexec(
                "incomingAndOutgoingNamesAreSeparate",
                bench -> bench.create().preserve(bench.memfd(pattern(10)), 1),
                bench -> {
                    LiveUpdateSession outgoing = bench.create();
                    LiveUpdateSession incoming = bench.retrieve();
                    outgoing.preserve(bench.memfd(), 1);
                    outgoing.close();
                    holds(pattern(10), bench.keep(incoming.retrieve(1)), "file");
                });
    }

    private void finishing() {
        acrossKexec(
                "aRetrievedFileIsPreservedAgainAfterTheFinish",
                bench -> bench.create().preserve(bench.memfd(), 1),
                bench -> {
                    LiveUpdateSession incoming = bench.retrieve();
                    Fd file = bench.keep(incoming.retrieve(1));
                    LiveUpdateSession outgoing = bench.create();
                    fails(EBUSY, () -> outgoing.preserve(file, 1));
                    incoming.finish();
                    outgoing.preserve(file, 1);
                });
        acrossKexec(
                "theCloseOfARetrievedSessionFinishesIt", bench -> bench.create().preserve(bench.memfd(), 1), bench -> {
                    LiveUpdateSession incoming = bench.retrieve();
                    Fd file = bench.keep(incoming.retrieve(1));
                    incoming.close();
                    bench.create().preserve(file, 1);
                    holds(Fd.utf8("some bytes"), file, "file");
                });
        acrossKexec(
                "afterTheFinishNothingIsToBeRetrieved",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    session.preserve(bench.memfd(), 1);
                    session.preserve(bench.memfd(), 2);
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    Fd file = bench.keep(session.retrieve(1));
                    session.finish();
                    fails(ENOENT, () -> session.retrieve(1));
                    fails(ENOENT, () -> session.retrieve(2));
                    holds(Fd.utf8("some bytes"), file, "file");
                });
        acrossKexec("aSecondFinishIsNothing", bench -> bench.create().preserve(bench.memfd(), 1), bench -> {
            LiveUpdateSession session = bench.retrieve();
            session.finish();
            session.finish();
        });
    }

    private void whatIsNotCarried() {
        acrossKexec(
                "aSessionThatWasClosedIsNotCarriedOver",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    session.preserve(bench.memfd(), 1);
                    session.close();
                },
                bench -> fails(ENOENT, bench::retrieve));
        acrossKexec(
                "ofTwoSessionsOfAName_theLastIsCarriedOver",
                bench -> {
                    LiveUpdateSession first = bench.create();
                    first.preserve(bench.memfd(pattern(1)), 1);
                    first.close();
                    bench.create().preserve(bench.memfd(pattern(2)), 2);
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    fails(ENOENT, () -> session.retrieve(1));
                    holds(pattern(2), bench.keep(session.retrieve(2)), "file");
                });
    }

    private void scale() {
        acrossKexec(
                "aSessionHolds" + MANY + "Files",
                bench -> {
                    LiveUpdateSession session = bench.create();
                    for (int i = 0; i < MANY; i++) {
                        try (Fd file = Fd.memfd("one of many")) {
                            file.pwrite(pattern(i), 0);
                            session.preserve(file, i);
                        }
                    }
                },
                bench -> {
                    LiveUpdateSession session = bench.retrieve();
                    for (int i = MANY - 1; i >= 0; i--) {
                        try (Fd file = session.retrieve(i)) {
                            holds(pattern(i), file, "file " + i);
                        }
                    }
                });
    }

    private static byte[] pattern(int size) {
        byte[] bytes = new byte[size];
        new Random(size).nextBytes(bytes);
        return bytes;
    }

    private static void holds(byte[] expected, Fd file, String what) {
        equal((long) expected.length, file.status().size(), what + ", size");
        byte[] actual = new byte[expected.length];
        equal(expected.length, file.pread(actual, 0), what + ", bytes read");
        that(Arrays.equals(expected, actual), what + ": other bytes");
    }

    private static Fd unnamedTmpfsFile(Bench bench) {
        try (Tmpfs tmpfs = Tmpfs.create(1 << 20, 10)) {
            return bench.keep(tmpfs.createFile());
        } catch (ErrnoException e) {
            // A tmpfs of one's own takes CAP_SYS_ADMIN.
            equal(EPERM, e.errno(), e.getMessage());
            return bench.keep(Fd.open("/dev/shm", O_TMPFILE | Fd.O_RDWR, 0600));
        }
    }

    private static Fd pipe(Bench bench) {
        int[] ends = new int[2];
        equal(0, MoreLibc.C.pipe2(ends, Fd.O_CLOEXEC), "pipe2");
        bench.keep(Fd.own(ends[1]));
        return bench.keep(Fd.own(ends[0]));
    }

    private static Fd reopened(Bench bench, Fd file, int flags) {
        return bench.keep(Fd.open("/proc/self/fd/" + file.number(), flags, 0));
    }

    private static String executable() {
        return ProcessHandle.current().info().command().orElseThrow();
    }

    private static void delete(Path file) {
        try {
            Files.delete(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
