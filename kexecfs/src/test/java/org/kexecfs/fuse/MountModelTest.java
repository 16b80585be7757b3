package org.kexecfs.fuse;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.kexecfs.session.State;

/**
 * Any sequence of system calls, on a real mount and on a model of one: what each returns, what it leaves behind, and the
 * state are the same, in every state and through any number of updates.
 *
 * <p>A build always tries the same sequences, so that it fails for what was changed. {@code -Dkexecfs.model.seed=random}
 * tries new ones; the seed is printed, {@code -Dkexecfs.model.seed=N} repeats a run, and {@code
 * -Dkexecfs.model.operations=N} makes it longer. What fails is made shorter before it is reported.
 */
class MountModelTest {
    /** Once found that libfuse 2 does not know a removed directory. */
    private static final long BUILD_SEED = 8913137411559876973L;

    private static final int OPERATIONS = Integer.getInteger("kexecfs.model.operations", 12_000);

    /** Chance may need more, to have tried every operation in every state. */
    private static final int LONGEST = 3 * OPERATIONS;

    private static final int EPISODE = 1_000;

    /** How many steps are between two looks at everything. */
    private static final int FULL_LOOK = 10;

    private static final Duration PATIENCE_WITH_SHRINKING = Duration.ofSeconds(20);
    private static final String OPTIONS = "size=64m,nr_inodes=1000";

    /** What was tried: per state and operation, how often, and with which answers. */
    private static final class Coverage {
        private final Map<State, Map<String, Map<String, Integer>>> tried = new EnumMap<>(State.class);
        private int steps;

        private void count(State state, MountStep step, String answer) {
            steps++;
            String kind = answer.matches("E[A-Z0-9]+") ? answer : "done";
            tried.computeIfAbsent(state, s -> new TreeMap<>())
                    .computeIfAbsent(step.name(), n -> new TreeMap<>())
                    .merge(kind, 1, Integer::sum);
        }

        private void report() {
            System.out.println("MountModelTest: " + steps + " operations of "
                    + MountSteps.operations().size() + " kinds");
            tried.forEach((state, operations) -> {
                int all = operations.values().stream()
                        .flatMap(answers -> answers.values().stream())
                        .mapToInt(Integer::intValue)
                        .sum();
                System.out.println("  " + state + ": " + all);
                operations.forEach((name, answers) -> System.out.println("    " + name + " " + answers));
            });
        }

        /** Operations that were never tried in some state. */
        private List<String> never() {
            List<String> never = new ArrayList<>();
            for (State state : State.values()) {
                Map<String, Map<String, Integer>> operations = tried.getOrDefault(state, Map.of());
                MountSteps.operations().stream()
                        .filter(name -> !operations.containsKey(name))
                        .forEach(name -> never.add(name + " in " + state));
            }
            return never;
        }
    }

    /** A mount and its model, side by side. */
    private static final class Pair implements AutoCloseable {
        private final MountWorld world;
        private final MountModel model;
        private int steps;

        private Pair(String options) {
            world = new MountWorld(options);
            model = new MountModel(world.passthrough(), options.contains("preserve=link"));
        }

        /** Takes a step; returns what is different after it. */
        private Optional<String> take(MountStep step, Coverage coverage) {
            State before = model.state();
            String expected = step.model().apply(model);
            coverage.count(before, step, expected);
            String answer = step.real().apply(world);
            if (!expected.equals(answer)) {
                return different(before, step, "answers", expected, answer);
            }
            String state = world.state();
            if (!state.equals(model.state().toString())) {
                return different(before, step, "leads to", model.state().toString(), state);
            }
            Set<String> looked = new LinkedHashSet<>(step.paths());
            if (++steps % FULL_LOOK == 0 || before != model.state()) {
                Set<String> paths = world.paths();
                if (!paths.equals(model.paths())) {
                    return different(before, step, "leaves", model.paths().toString(), paths.toString());
                }
                Map<String, String> same = world.sameFiles(paths);
                if (!same.equals(model.sameFiles())) {
                    return different(
                            before, step, "leaves files", model.sameFiles().toString(), same.toString());
                }
                looked.addAll(paths);
            }
            for (String path : looked) {
                String shown = world.show(path, model);
                if (!shown.equals(model.show(path))) {
                    return different(before, step, "leaves at " + path, model.show(path), shown);
                }
            }
            return Optional.empty();
        }

        private Optional<String> different(State before, MountStep step, String what, String expected, String answer) {
            return Optional.of("in " + before + ", " + step + " " + what + "\n    " + answer + "\n  and should\n    "
                    + expected + "\n  kexecfs.error: " + world.error());
        }

        @Override
        public void close() {
            world.close();
        }
    }

    @Test
    void aMountIsItsModel() {
        compare(OPTIONS, OPERATIONS, LONGEST);
    }

    @Test
    void aMountThatPreservesAtLinkIsItsModel() {
        compare(OPTIONS + ",preserve=link", OPERATIONS / 3, LONGEST);
    }

    private static void compare(String options, int operations, int longest) {
        String given = System.getProperty("kexecfs.model.seed", Long.toString(BUILD_SEED));
        long seed = given.equals("random") ? new Random().nextLong() : Long.parseLong(given);
        System.out.println("MountModelTest: -Dkexecfs.model.seed=" + seed);
        Random random = new Random(seed);
        Coverage coverage = new Coverage();
        Instant start = Instant.now();
        while (coverage.steps < operations || !coverage.never().isEmpty() && coverage.steps < longest) {
            episode(options, random, coverage, seed);
        }
        coverage.report();
        System.out.println("  in " + Duration.between(start, Instant.now()).toSeconds() + " s");
        assertEquals(List.of(), coverage.never(), "what was never tried");
    }

    private static void episode(String options, Random random, Coverage coverage, long seed) {
        List<MountStep> taken = new ArrayList<>();
        Optional<String> different = Optional.empty();
        try (Pair pair = new Pair(options)) {
            while (taken.size() < EPISODE && different.isEmpty()) {
                MountStep step = MountSteps.next(random, pair.model.state());
                taken.add(step);
                different = pair.take(step, coverage);
            }
        }
        if (different.isPresent()) {
            System.out.println("MountModelTest: " + different.get());
            List<MountStep> fewer = shrink(options, taken);
            fail("seed " + seed + ", after " + taken.size() + " steps: " + different.get() + "\nshortened:\n  "
                    + String.join(
                            "\n  ", fewer.stream().map(MountStep::toString).toList()) + "\n"
                    + run(options, fewer).orElse("which does not fail every time"));
        }
    }

    /** Takes steps away for as long as what is left still fails. */
    private static List<MountStep> shrink(String options, List<MountStep> failing) {
        Instant end = Instant.now().plus(PATIENCE_WITH_SHRINKING);
        List<MountStep> steps = failing;
        for (int chunk = steps.size() / 2; chunk > 0; chunk /= 2) {
            for (int at = Math.max(0, steps.size() - chunk);
                    at >= 0 && Instant.now().isBefore(end);
                    at -= chunk) {
                List<MountStep> fewer = new ArrayList<>(steps);
                fewer.subList(at, Math.min(at + chunk, fewer.size())).clear();
                if (run(options, fewer).isPresent()) {
                    steps = fewer;
                }
            }
        }
        return steps;
    }

    private static Optional<String> run(String options, List<MountStep> steps) {
        Coverage uncounted = new Coverage();
        try (Pair pair = new Pair(options)) {
            for (MountStep step : steps) {
                Optional<String> different = pair.take(step, uncounted);
                if (different.isPresent()) {
                    return different;
                }
            }
            return Optional.empty();
        }
    }
}
