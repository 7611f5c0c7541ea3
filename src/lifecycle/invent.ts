/** Names for containers that were given none: two words that are easy to say and to type. Pure. */

const ADJECTIVES = (
  "able amber apt avid bold brave breezy bright brisk calm candid clear clever cosy crisp deft " +
  "eager early fair fleet fond free fresh gentle glad golden grand green handy happy hardy " +
  "humble jolly keen kind lively loyal lucid lucky mellow merry mild neat nimble noble open " +
  "plucky polite proud quick quiet ready rosy silver snug spry steady sunny swift tidy vivid " +
  "warm wise witty"
).split(" ");

const NOUNS = (
  "acorn anchor apple badger barley beacon beech birch bobbin brook canoe cedar clover comet " +
  "coral crane daisy delta dune falcon fern finch fjord garnet glade harbour heron hazel island " +
  "jasper kestrel kite lagoon lantern lark linden lynx maple marten meadow meteor mill orchid " +
  "otter pebble pine plover quartz raven reed robin saddle sparrow spruce swan thistle tulip " +
  "walnut willow wren"
).split(" ");

/** The name number `tries` of the container `id`; after a few, a number makes it longer. */
export function inventName(id: string, tries: number): string {
  const random = (at: number) => Number.parseInt(id.slice(at, at + 8), 16);
  const adjective = ADJECTIVES[(random(0) + tries * 7) % ADJECTIVES.length];
  const noun = NOUNS[(random(8) + tries) % NOUNS.length];
  const suffix = tries < 3 ? "" : String((random(16) + tries) % 1000);
  return `${adjective}_${noun}${suffix}`;
}
