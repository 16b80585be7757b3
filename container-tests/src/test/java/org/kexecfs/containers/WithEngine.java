package org.kexecfs.containers;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/** Tests with containers: there is one engine with the tests' images for all of them, ended after the last. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("containers")
@ExtendWith(WithEngine.Start.class)
@interface WithEngine {
    /** Starts the engine before the first class that needs it. What it stores is closed in the reverse order. */
    final class Start implements BeforeAllCallback {
        @Override
        public void beforeAll(ExtensionContext context) {
            ExtensionContext.Store store = context.getRoot().getStore(Namespace.create(WithEngine.class));
            Engine engine = store.getOrComputeIfAbsent(Engine.class, key -> Engine.find(), Engine.class);
            EngineStrategy.use(engine);
            store.getOrComputeIfAbsent(Images.class, key -> Images.in(engine), Images.class);
        }
    }
}
