/** Passkeys: what the server sends and takes is JSON with base64url, what the browser takes and gives is octets. */

export function octetsOf(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

export function textOf(octets: ArrayBuffer | Uint8Array): string {
  const plain = String.fromCharCode(...new Uint8Array(octets));
  return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

interface Descriptor {
  id: string;
  type: 'public-key';
}
export interface RequestOptions {
  challenge: string;
  rpId?: string;
  timeout?: number;
  allowCredentials?: Descriptor[];
  userVerification?: UserVerificationRequirement;
}
export interface CreationOptions {
  challenge: string;
  rp: PublicKeyCredentialRpEntity;
  user: { id: string; name: string; displayName: string };
  pubKeyCredParams: PublicKeyCredentialParameters[];
  timeout?: number;
  excludeCredentials?: Descriptor[];
  authenticatorSelection?: AuthenticatorSelectionCriteria;
  attestation?: AttestationConveyancePreference;
}

const idsOf = (list?: Descriptor[]) => list?.map((d) => ({ type: d.type, id: octetsOf(d.id) }));

export async function usePasskey(options: RequestOptions): Promise<unknown> {
  const made = await navigator.credentials.get({
    publicKey: { ...options, challenge: octetsOf(options.challenge), allowCredentials: idsOf(options.allowCredentials) },
  }) as PublicKeyCredential | null;
  if (!made) throw new Error('no credential');
  const answer = made.response as AuthenticatorAssertionResponse;
  return {
    id: made.id,
    rawId: textOf(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: textOf(answer.clientDataJSON),
      authenticatorData: textOf(answer.authenticatorData),
      signature: textOf(answer.signature),
      userHandle: answer.userHandle ? textOf(answer.userHandle) : null,
    },
  };
}

export async function makePasskey(options: CreationOptions): Promise<unknown> {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: octetsOf(options.challenge),
      user: { ...options.user, id: octetsOf(options.user.id) },
      excludeCredentials: idsOf(options.excludeCredentials),
    },
  }) as PublicKeyCredential | null;
  if (!made) throw new Error('no credential');
  const answer = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id,
    rawId: textOf(made.rawId),
    type: made.type,
    response: {
      clientDataJSON: textOf(answer.clientDataJSON),
      attestationObject: textOf(answer.attestationObject),
      transports: answer.getTransports?.() ?? [],
    },
  };
}
