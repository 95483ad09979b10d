/** Loaded first (`node --import`): moves the clock of the whole process by the CLOCK_SHIFT_MS milliseconds of the environment. */
const shift = Number(process.env['CLOCK_SHIFT_MS']);
const now = Date.now.bind(Date);
const shiftedNow = (): number => now() + shift;

globalThis.Date = new Proxy(Date, {
  construct: (date, parts: unknown[], made: NewableFunction) =>
    Reflect.construct(date, parts.length === 0 ? [shiftedNow()] : parts, made) as Date,
  get: (date, name) => (name === 'now' ? shiftedNow : (Reflect.get(date, name) as unknown)),
});
