// onnxruntime-common 1.30 turns the bits of FP16 into a Float16Array where there is one (Node 24 and later), and its own
// binding does not take that: "not enough space: expected 6, got 0". Without the global, both keep to Uint16Array, the bits.
// A thread has globals of its own, and nothing else runs in the thread that imports this.
Reflect.deleteProperty(globalThis, 'Float16Array');

export {};
