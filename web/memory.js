// Bars of memory: who holds it, and before and after a release.
import { bar, div, make, note, strong } from './dom.js'
import { size, t } from './words.js'

// Parts of one device of /vramwise/machine. Where nobody tells who holds what, it is one part "in use".
function parts(device) {
  const known = [device.own_bytes, device.host_bytes, device.other_bytes].some(Number.isFinite)
  const used = Math.max(0, device.total_bytes - device.free_bytes)
  const held = known ? ['own', 'host', 'other'].map((kind) => [kind, device[`${kind}_bytes`]]) : [['used', used]]
  return [...held, ['free', device.free_bytes]]
    .filter(([, bytes]) => Number.isFinite(bytes))
    .map(([kind, bytes]) => ({ kind, bytes, text: `${t(`memory_${kind}`)}: ${size(bytes)}` }))
}

export function deviceBar(device) {
  const shown = parts(device)
  const name = device.id === device.name ? device.name : `${device.id}: ${device.name}`
  const said = shown.map((part) => part.text).join(', ')
  return make(
    'div',
    { class: 'vw-device', 'data-device': device.id },
    make('p', null, strong(name), ` ${t('free_of', { free: size(device.free_bytes), total: size(device.total_bytes) })}`),
    device.set_by_hand && note(t('set_by_hand', { value: device.set_by_hand })),
    bar(shown, device.total_bytes, `${name}. ${said}`),
    make('ul', { class: 'vw-legend', 'aria-hidden': 'true' }, shown.map((part) => make('li', null, make('i', { class: `vw-${part.kind}` }), part.text)))
  )
}

// A release as the node reports it: what was free or held before and after.
export function releaseBars(release) {
  const rows = [
    ['release_device', release.before, release.after],
    ['release_process', release.process_before, release.process_after]
  ]
  return rows.map(([key, before, after]) => {
    const label = t(key, { device: release.device })
    const most = Math.max(before, after)
    const line = (when, bytes) =>
      div(
        'vw-beforeafter',
        make('span', null, t(when)),
        bar([{ kind: key === 'release_device' ? 'free' : 'used', bytes, text: size(bytes) }], most, `${label}, ${t(when)}: ${size(bytes)}`),
        make('span', { class: 'vw-number' }, size(bytes))
      )
    return div('', make('p', null, strong(label)), line('before', before), line('after', after))
  })
}
