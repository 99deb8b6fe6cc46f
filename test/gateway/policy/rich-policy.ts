/** A good policy in which every part of the language occurs at least once. */
export const RICH = `apiVersion: sluice/v1
fleet:
  cpu-a: { url: "http://127.0.0.1:9101" }
  cpu-b: { url: "http://10.1.2.3:9101", max_in_flight: 7 }
  gpu-a:
    url: "https://gpu.test:9443"
    class: gpu
    weight: 4
    max_in_flight: 64
    tls: { ca: ca.pem, cert: own.pem, key: own.key, server_name: gpu.test }
models:
  digits:
    protocol: v1
    timeout: 500ms
    versions:
      v1: { servers: [cpu-a, cpu-b], model: mnist, version: "1" }
      v2: { servers: [gpu-a, cpu-a], prefer: gpu, timeout: 250ms, max_in_flight: 32 }
      v3: { servers: [cpu-b] }
    baseline: v1
    pins: { header: { x-debug: ["on", 1, true] } }
    experiment:
      id: exp-7
      unit: body parameters.user
      without_unit: reject
      salt: spring.7
      holdout: 5%
      arms:
        v1: 20%
        v2: { share: 10%, up_to: 30% }
      allow_reshuffle: true
    rollout:
      - id: digits-v2
        candidate: v2
        unit: header x-user-id
        without_unit: { key: nobody }
        salt: digits-spring
        from: 0%
        steps: [1% for 10m, 5% until approved, 25%]
        holdback: 1%
        max_duration: 7d
        warm_up: 50
        rollback:
          error_rate: 2%
          latency_p99: 250ms
          versus_baseline: 1.5x
          consecutive_failures: 5
          disagreement: 3%
          false_alarm: 1%
      - { id: digits-v3, candidate: v3, unit: header x-user-id, without_unit: { key: nobody }, from: 50%, steps: [5%], min_requests: 50, max_disagreement: 5%, guard_time: 2h, rollback: { action: freeze, versus_baseline: { errors: 2x, latency: 1.3x } }, salt: digits-spring }
    shadow:
      - version: v2
        sample: 20%
        compare: { as: classification, output: probabilities, tolerance: 0.001, top: 3, fields: [label] }
        budget: { bytes: 16MiB, concurrency: 8, age: 2s }
        headers: [x-tenant]
      - { name: other, model: spam-fast, sample: 1% }
  spam-fast: { timeout: 50ms, versions: { v1: { servers: [cpu-a] } }, baseline: v1 }
  spam-accurate: { timeout: 300ms, versions: { v1: { servers: [gpu-a] } }, baseline: v1 }
  llm: { protocol: http, prefix: /llm, timeout: 30s, versions: { v1: { servers: [gpu-a] } }, baseline: v1 }
  spam:
    tiers:
      ladder:
        fast: spam-fast
        accurate: spam-accurate
      rules:
        - when: { header: { x-customer-tier: enterprise }, parameter: { priority: { at_least: 5 } } }
          use: accurate
        - when:
            body: { user.plan: [free, trial], user.email: { present: false } }
            body_bytes: { below: 65536 }
            text_length: { at_least: 1, below: 50 }
            complexity: { below: 0.3 }
          use: fast
        - { use: accurate }
      complexity:
        bytes: { high: 65536 }
        text_length: { weight: 2, low: 10, high: 500 }
        words: { high: 100 }
        digits_ratio: { high: 0.5 }
        compression_ratio: { low: 0.2, high: 0.9 }
        elements: { high: 784 }
        missing: { high: 10 }
        field: { path: meta.difficulty, high: 10 }
      no_signal: accurate
      escalate:
        below: { fast: 0.85 }
        budget: 20%
        burst: 5
        confidence: { output: probabilities, as: max }
`;
