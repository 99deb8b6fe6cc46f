/** Thrown for an answer that may be sound, but is beyond what is compared here. */
export class BeyondBounds extends Error {}
