/** Thrown for a tensor that is not what its shape or datatype says; the message says in what. */
export class Malformed extends Error {}
