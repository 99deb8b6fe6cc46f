// The servers of the fleet, as the policy runs.

export type ServerSpec = {
  readonly name: string;
  /** Scheme, host and port. */
  readonly origin: string;
  readonly kind: ServerKind;
  readonly class: ServerClass;
  /** Its share of the load beside others. */
  readonly weight: number;
  readonly maxInFlight: number;
  readonly tls: TlsSpec | undefined;
};

export type ServerKind = 'sluice' | 'triton' | 'kserve' | 'mlserver' | 'tensorflow-serving';
export type ServerClass = 'cpu' | 'gpu';

/** Each a PEM text in the policy of a running gateway; where one is only checked, still the name of its file. */
export type TlsSpec = {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly serverName: string | undefined;
};
