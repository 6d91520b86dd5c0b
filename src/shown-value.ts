/**
 * How a setting's value is repeated in what we say is wrong with it. Addresses may carry credentials, which come
 * before an @; where they begin in a value that cannot be parsed nobody knows, so that such a value is not repeated.
 */
export function shownValue(value: string | undefined): string {
  return value?.includes('@') ? 'the value' : JSON.stringify(value);
}
